package main

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"time"

	"meshfetch/live/xds/internal/control"
)

// The control port:
//
//	PUT  /entry      {svids: [{spiffeId, hint, lifetimeMs, chain?, key? (base64 of DER)}], federated, crls, tokenLifetimeMs}; {} = none
//	POST /rotate     new certificates and keys on every open stream
//	PUT  /denial     {code, message}: every call and open stream ends with it; {} = none does
//	POST /authorities/{trust domain}           a new authority in the place of the old one
//	POST /authorities/{trust domain}/issue     {spiffeId, dnsNames, lifetimeMs} -> {certificateChain, privateKey, trustBundle} as PEM
//	GET  /calls?after=N&waitMs=M               calls that arrived after the Nth; waits for one
func routes(state *state) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /entry", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		var said entry
		if err := json.Unmarshal(body, &said); err != nil {
			return nil, err
		}
		state.change(func() { state.entry = said })
		return nil, nil
	}))
	mux.HandleFunc("POST /rotate", control.Answering(func(*http.Request, []byte) (any, error) {
		state.change(func() {})
		return nil, nil
	}))
	mux.HandleFunc("PUT /denial", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		said, err := control.StatusOf(body)
		if err == nil {
			state.change(func() { state.denial = said })
		}
		return nil, err
	}))
	mux.HandleFunc("POST /authorities/{trustDomain}", control.Answering(func(request *http.Request, _ []byte) (any, error) {
		trustDomain := request.PathValue("trustDomain")
		made, err := newAuthority(trustDomain)
		if err == nil {
			state.change(func() { state.authorities[trustDomain] = made })
		}
		return nil, err
	}))
	mux.HandleFunc("POST /authorities/{trustDomain}/issue", control.Answering(func(request *http.Request, body []byte) (any, error) {
		var said struct {
			SpiffeID   string   `json:"spiffeId"`
			DNSNames   []string `json:"dnsNames"`
			LifetimeMs int64    `json:"lifetimeMs"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return nil, err
		}
		authority, err := state.authority(request.PathValue("trustDomain"))
		if err != nil {
			return nil, err
		}
		made, err := authority.issue(said.SpiffeID, said.DNSNames, orDefault(said.LifetimeMs, time.Hour))
		if err != nil {
			return nil, err
		}
		return map[string]string{
			"certificateChain": inPEM("CERTIFICATE", made.chainDER),
			"privateKey":       inPEM("PRIVATE KEY", made.keyDER),
			"trustBundle":      inPEM("CERTIFICATE", authority.certificate.Raw),
		}, nil
	}))
	mux.HandleFunc("GET /calls", control.Answering(func(request *http.Request, _ []byte) (any, error) {
		return state.calls.Asked(request), nil
	}))
	return mux
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
