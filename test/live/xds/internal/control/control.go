// Package control is how a test speaks to a server over HTTP.
package control

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Answering makes a handler that answers with JSON, or with 400 and what is wrong.
func Answering(handle func(request *http.Request, body []byte) (any, error)) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		var answer any
		if err == nil {
			answer, err = handle(request, body)
		}
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		response.Header().Set("content-type", "application/json")
		_ = json.NewEncoder(response).Encode(answer)
	}
}

// StatusOf reads {code, message}; nil where no code is said.
func StatusOf(body []byte) (*status.Status, error) {
	var said struct {
		Code    string
		Message string
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Code == "" {
		return nil, err
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(strconv.Quote(said.Code))); err != nil {
		return nil, err
	}
	return status.New(code, said.Message), nil
}
