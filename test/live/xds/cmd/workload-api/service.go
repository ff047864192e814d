package main

import (
	"context"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

type service struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	state *state
}

const securityHeader = "workload.spiffe.io"

// The header comes before everything else, as in a SPIRE agent; then the test's word.
func (s *service) admit(ctx context.Context, method string) error {
	received, _ := metadata.FromIncomingContext(ctx)
	headers := received.Get(securityHeader)
	s.state.calls.Add(func(number int) call { return call{Number: number, Method: method, Headers: headers} })
	if len(headers) != 1 || headers[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	return s.state.now().refusal()
}

func (v view) refusal() error {
	if v.denial != nil {
		return v.denial.Err()
	}
	if len(v.entry.SVIDs) == 0 {
		return status.Error(codes.PermissionDenied, "no identity issued")
	}
	return nil
}

// Says what is in force now, and again after each change, until it is refused.
func (s *service) follow(ctx context.Context, method string, say func(view) error) error {
	if err := s.admit(ctx, method); err != nil {
		return err
	}
	for {
		seen := s.state.now()
		if err := seen.refusal(); err != nil {
			return err
		}
		if err := say(seen); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-seen.changed:
		}
	}
}

func (s *service) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	return s.follow(stream.Context(), "FetchX509SVID", func(seen view) error {
		response := &workload.X509SVIDResponse{Crl: seen.entry.CRLs, FederatedBundles: map[string][]byte{}}
		for _, wanted := range seen.entry.SVIDs {
			authority, _, err := s.state.authorityOf(wanted.SpiffeID)
			if err != nil {
				return err
			}
			made, err := authority.issue(wanted.SpiffeID, nil, orDefault(wanted.LifetimeMs, time.Hour))
			if err != nil {
				return err
			}
			svid := &workload.X509SVID{
				SpiffeId: wanted.SpiffeID, Hint: wanted.Hint, X509Svid: made.chainDER, X509SvidKey: made.keyDER, Bundle: authority.certificate.Raw,
			}
			if wanted.Chain != nil {
				svid.X509Svid = wanted.Chain
			}
			if wanted.Key != nil {
				svid.X509SvidKey = wanted.Key
			}
			response.Svids = append(response.Svids, svid)
		}
		for _, trustDomain := range seen.entry.Federated {
			authority, err := s.state.authority(trustDomain)
			if err != nil {
				return err
			}
			response.FederatedBundles["spiffe://"+trustDomain] = authority.certificate.Raw
		}
		return stream.Send(response)
	})
}

func (s *service) FetchX509Bundles(_ *workload.X509BundlesRequest, stream workload.SpiffeWorkloadAPI_FetchX509BundlesServer) error {
	return s.follow(stream.Context(), "FetchX509Bundles", func(seen view) error {
		response := &workload.X509BundlesResponse{Crl: seen.entry.CRLs, Bundles: map[string][]byte{}}
		err := s.eachBundle(seen, func(trustDomain string, authority *authority) error {
			response.Bundles["spiffe://"+trustDomain] = authority.certificate.Raw
			return nil
		})
		if err != nil {
			return err
		}
		return stream.Send(response)
	})
}

func (s *service) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream workload.SpiffeWorkloadAPI_FetchJWTBundlesServer) error {
	return s.follow(stream.Context(), "FetchJWTBundles", func(seen view) error {
		response := &workload.JWTBundlesResponse{Bundles: map[string][]byte{}}
		err := s.eachBundle(seen, func(trustDomain string, authority *authority) (err error) {
			response.Bundles["spiffe://"+trustDomain], err = authority.jwtBundle()
			return err
		})
		if err != nil {
			return err
		}
		return stream.Send(response)
	})
}

func (s *service) FetchJWTSVID(ctx context.Context, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := s.admit(ctx, "FetchJWTSVID"); err != nil {
		return nil, err
	}
	if len(request.GetAudience()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "audience must be specified")
	}
	seen := s.state.now()
	response := &workload.JWTSVIDResponse{}
	for _, wanted := range seen.entry.SVIDs {
		if request.GetSpiffeId() != "" && request.GetSpiffeId() != wanted.SpiffeID {
			continue
		}
		authority, _, err := s.state.authorityOf(wanted.SpiffeID)
		if err != nil {
			return nil, err
		}
		token, err := authority.token(wanted.SpiffeID, request.GetAudience(), orDefault(seen.entry.TokenLifetimeMs, 5*time.Minute))
		if err != nil {
			return nil, err
		}
		response.Svids = append(response.Svids, &workload.JWTSVID{SpiffeId: wanted.SpiffeID, Hint: wanted.Hint, Svid: token})
	}
	if len(response.Svids) == 0 {
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	}
	return response, nil
}

// Validation is go-spiffe's own.
func (s *service) ValidateJWTSVID(ctx context.Context, request *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	if err := s.admit(ctx, "ValidateJWTSVID"); err != nil {
		return nil, err
	}
	bundles := jwtbundle.NewSet()
	err := s.eachBundle(s.state.now(), func(trustDomain string, authority *authority) error {
		body, err := authority.jwtBundle()
		if err != nil {
			return err
		}
		id, err := spiffeid.TrustDomainFromString(trustDomain)
		if err != nil {
			return err
		}
		bundle, err := jwtbundle.Parse(id, body)
		if err == nil {
			bundles.Add(bundle)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	svid, err := jwtsvid.ParseAndValidate(request.GetSvid(), bundles, []string{request.GetAudience()})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	claims, err := structpb.NewStruct(svid.Claims)
	if err != nil {
		return nil, err
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: svid.ID.String(), Claims: claims}, nil
}

// The bundles of the workload's own trust domains and of those that are federated.
func (s *service) eachBundle(seen view, take func(trustDomain string, authority *authority) error) error {
	trustDomains := map[string]bool{}
	for _, svid := range seen.entry.SVIDs {
		_, trustDomain, err := s.state.authorityOf(svid.SpiffeID)
		if err != nil {
			return err
		}
		trustDomains[trustDomain] = true
	}
	for _, trustDomain := range seen.entry.Federated {
		trustDomains[trustDomain] = true
	}
	for trustDomain := range trustDomains {
		authority, err := s.state.authority(trustDomain)
		if err != nil {
			return err
		}
		if err := take(trustDomain, authority); err != nil {
			return err
		}
	}
	return nil
}
