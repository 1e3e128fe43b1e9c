package aws

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"plattr.dev/plattr/internal/providers/embedded"
)

// maxUserPolicy is IAM's limit in bytes for all inline policies of a user.
const maxUserPolicy = 2048

type userPolicyArgs struct {
	Name string `json:"name"`
	User string `json:"user"`
	// Policy is a document as JSON text; an object is accepted and made to text.
	Policy any `json:"policy"`
}

type userPolicyState struct {
	userPolicyArgs

	NamePrefix string `json:"namePrefix"`
}

func userPolicyType() embedded.Resource[*client] {
	return &embedded.Type[*client, userPolicyArgs, userPolicyState]{
		Token:   "aws:iam/userPolicy:UserPolicy",
		Replace: []string{"name", "user"},
		Equal:   samePolicyInput,
		Check: func(in *userPolicyArgs) []embedded.Problem {
			problems := checkPolicy(&in.Policy, maxUserPolicy)
			if !iamName.MatchString(in.Name) {
				problems = append(problems, embedded.Problem{Input: "name", Reason: fmt.Sprintf(
					"%q is no policy name: 1 to 128 letters, digits and _+=,.@-", in.Name)})
			}
			return problems
		},
		Create: func(ctx context.Context, c *client, op embedded.Op, in userPolicyArgs) (string, userPolicyState, error) {
			state, err := putUserPolicy(ctx, c, op, in)
			return in.User + ":" + in.Name, state, err
		},
		Read: readUserPolicy,
		Update: func(
			ctx context.Context, c *client, op embedded.Op, _ string, _ userPolicyState, in userPolicyArgs,
		) (userPolicyState, error) {
			return putUserPolicy(ctx, c, op, in)
		},
		Delete: deleteUserPolicy,
	}
}

func putUserPolicy(ctx context.Context, c *client, op embedded.Op, in userPolicyArgs) (userPolicyState, error) {
	if _, err := c.ownUser(ctx, op, in.User); err != nil {
		return userPolicyState{}, fmt.Errorf("put policy %q: %w", in.Name, err)
	}
	_, err := c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: &in.User, PolicyName: &in.Name, PolicyDocument: aws.String(policyText(in.Policy)),
	})
	if err != nil {
		return userPolicyState{}, c.fail(err, "put policy %q of user %q", in.Name, in.User)
	}
	return userPolicyState{userPolicyArgs: in}, nil
}

func readUserPolicy(
	ctx context.Context, c *client, _ embedded.Op, id string, state userPolicyState,
) (userPolicyState, error) {
	user, name, err := splitPolicyID(id)
	if err != nil {
		return state, err
	}
	res, err := c.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &user, PolicyName: &name})
	if isNoEntity(err) {
		return state, embedded.ErrGone
	}
	if err != nil {
		return state, c.fail(err, "read policy %q of user %q", name, user)
	}
	// IAM returns the document as it would stand in a URL.
	document, err := url.PathUnescape(aws.ToString(res.PolicyDocument))
	if err != nil {
		return state, fmt.Errorf("read policy %q of user %q: %w", name, user, err)
	}
	state.userPolicyArgs = userPolicyArgs{Name: name, User: user, Policy: document}
	return state, nil
}

func deleteUserPolicy(ctx context.Context, c *client, op embedded.Op, id string, _ userPolicyState) error {
	user, name, err := splitPolicyID(id)
	if err != nil {
		return err
	}
	_, tags, found, err := c.user(ctx, user)
	if err != nil || !found || tags[markKey] != op.Owner {
		return err
	}
	return c.deletePolicy(ctx, user, name)
}

func (c *client) deletePolicy(ctx context.Context, user, name string) error {
	_, err := c.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &user, PolicyName: &name})
	if err != nil && !isNoEntity(err) {
		return c.fail(err, "delete policy %q of user %q", name, user)
	}
	return nil
}

func splitPolicyID(id string) (user, name string, err error) {
	user, name, ok := strings.Cut(id, ":")
	if !ok || user == "" || name == "" {
		return "", "", fmt.Errorf("%q is no ID of a user policy: USER:POLICY", id)
	}
	return user, name, nil
}
