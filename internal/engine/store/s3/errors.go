package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"plattr.dev/plattr/internal/engine/store"
)

// requestError is a failed request in one line with what to do about it. The SDK's own text repeats operation, status
// and request ID.
type requestError struct {
	text string
	err  error
}

func (e *requestError) Error() string { return e.text }
func (e *requestError) Unwrap() error { return e.err }

// is says whether the server answered with one of the codes.
func is(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

// refused says that the condition of a write did not hold.
func refused(err error) bool {
	return is(err, "PreconditionFailed", "ConditionalRequestConflict")
}

// explain gives an error of a request its one-line form.
func (s *Store) explain(err error, doing, key string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case is(err, "NoSuchKey") || (is(err, "NotFound") && doing == "read"):
		return fmt.Errorf("%w: %s", store.ErrAbsent, key)
	}
	return &requestError{text: fmt.Sprintf("state %s: cannot %s %s: %s", s.at, doing, key, s.reason(err)), err: err}
}

func (s *Store) reason(err error) string {
	var api smithy.APIError
	var network *net.OpError
	var dns *net.DNSError
	var request *url.Error
	switch {
	case errors.As(err, &api):
		return s.answer(api)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %s is not known: check the endpoint and the region of the state URL", dns.Name)
	case errors.As(err, &network):
		return fmt.Sprintf("the server cannot be reached (%v): check the endpoint of the state URL", network.Err)
	case isNoCredentials(err):
		return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the process a role"
	case errors.As(err, &request):
		return fmt.Sprintf("the server did not answer (%v): check the endpoint of the state URL", request.Err)
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// isNoCredentials reads the SDK's text: it has no type for that.
func isNoCredentials(err error) bool {
	return strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "get identity")
}

func (s *Store) answer(api smithy.APIError) string {
	switch code := api.ErrorCode(); code {
	case "NoSuchBucket", "NotFound":
		return fmt.Sprintf("there is no bucket %s: create it, or correct the state URL", s.at.bucket)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "ExpiredToken", "InvalidToken":
		return fmt.Sprintf("the server does not accept the credentials (%s): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", code)
	case "AccessDenied", "Forbidden":
		return fmt.Sprintf("access denied: the credentials need s3:ListBucket on %s, and s3:GetObject, s3:PutObject and "+
			"s3:DeleteObject on %[1]s/%s*", s.at.bucket, s.at.prefix)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "MovedPermanently":
		return fmt.Sprintf("the bucket is in another region (%s): correct ?region= in the state URL", code)
	default:
		if api.ErrorMessage() == "" {
			return "the server answered " + code
		}
		return fmt.Sprintf("the server answered %s: %s", code, api.ErrorMessage())
	}
}
