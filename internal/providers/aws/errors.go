package aws

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/aws/smithy-go"
)

// is says whether the server answered with one of the codes.
func is(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

// isNoBucket says that the bucket does not exist. HeadBucket's answer has no body, hence NotFound.
func isNoBucket(err error) bool { return is(err, "NoSuchBucket", "NotFound") }

// isNoEntity says that the user, key or inline policy does not exist.
func isNoEntity(err error) bool { return is(err, "NoSuchEntity") }

// requestError is a failed request in one line: what was attempted, and what the server said or why it said nothing.
// The SDK's own text repeats operation, status and request ID.
type requestError struct {
	doing, reason string
	err           error
}

func (e *requestError) Error() string { return e.doing + ": " + e.reason }
func (e *requestError) Unwrap() error { return e.err }

// fail wraps an error of a request by what was attempted.
func (c *client) fail(err error, format string, args ...any) error {
	return &requestError{doing: fmt.Sprintf(format, args...), reason: c.reason(err), err: err}
}

func (c *client) reason(err error) string {
	where := "AWS"
	var op *smithy.OperationError
	if errors.As(err, &op) {
		where = op.ServiceID + " of " + where
		if at, ok := c.at[op.ServiceID]; ok {
			where = op.ServiceID + " at " + at
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return apiReason(where, api)
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return fmt.Sprintf("%s cannot be reached: %v", where, network.Err)
	}
	var request *url.Error
	if errors.As(err, &request) {
		return fmt.Sprintf("%s did not answer: %v", where, request.Err)
	}
	if op != nil {
		return fmt.Sprintf("%s: %v", where, op.Err)
	}
	return err.Error()
}

func apiReason(where string, api smithy.APIError) string {
	switch code := api.ErrorCode(); code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException":
		return fmt.Sprintf("%s does not accept the access key and secret key of the provider (%s)", where, code)
	case "NotImplemented":
		return where + " has no such feature (NotImplemented)"
	case "AccessDenied", "Forbidden":
		return fmt.Sprintf("%s refuses this to the provider's access key (%s)", where, code)
	default:
		if api.ErrorMessage() == "" {
			return fmt.Sprintf("%s answered %s", where, code)
		}
		return fmt.Sprintf("%s answered %s: %s", where, code, api.ErrorMessage())
	}
}
