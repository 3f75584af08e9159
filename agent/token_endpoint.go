package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// clientCredentials asks the token endpoint that a setting names. The errors name the
// setting, and hold no word of the endpoint that could be the secret.
func clientCredentials(setting string, base http.RoundTripper, address, id string, secret Secret) func(context.Context) (*oauth2.Token, error) {
	credentials := clientcredentials.Config{ClientID: id, ClientSecret: string(secret), TokenURL: address}
	client := &http.Client{Transport: base, Timeout: 10 * time.Second, CheckRedirect: sendOnNothing}
	return func(ctx context.Context) (*oauth2.Token, error) {
		token, err := credentials.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
		if err != nil {
			return nil, fmt.Errorf("%s: ask for a token: %w", setting, tokenError(err, id, string(secret)))
		}
		return token, nil
	}
}

// sendOnNothing is a CheckRedirect for what goes with a secret: to follow would be to
// send it to whom the answer names.
func sendOnNothing(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// refusals are what a token endpoint may say (RFC 6749, 5.2).
var refusals = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// tokenError is why there is no token. An endpoint may repeat the secret in any of its words.
func tokenError(err error, id, secret string) error {
	var refused *oauth2.RetrieveError
	var failed *url.Error
	switch {
	case errors.As(err, &refused):
		code := refused.Response.StatusCode
		text := fmt.Sprintf("it answers %d", code)
		for _, word := range refusals {
			if bytes.Contains(refused.Body, []byte(word)) {
				text += " " + word
			}
		}
		if code >= 300 && code <= 399 {
			text += ", and redirects are not followed: set the address that answers"
		}
		return errors.New(text)
	case errors.As(err, &failed):
		basic := url.QueryEscape(id) + ":" + url.QueryEscape(secret) // in base64
		return ngsild.RedactError(failed.Err, secret, url.QueryEscape(secret), id+":"+secret, basic)
	}
	return errors.New("its answer is not as expected")
}
