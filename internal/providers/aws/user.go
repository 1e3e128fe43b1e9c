package aws

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"plattr.dev/plattr/internal/providers/embedded"
)

type userArgs struct {
	Name         string            `json:"name"`
	Path         string            `json:"path"`
	ForceDestroy bool              `json:"forceDestroy"`
	Tags         map[string]string `json:"tags,omitempty"`
}

type userState struct {
	userArgs

	Arn      string            `json:"arn"`
	TagsAll  map[string]string `json:"tagsAll"`
	UniqueID string            `json:"uniqueId"`
}

func userType() embedded.Resource[*client] {
	return &embedded.Type[*client, userArgs, userState]{
		Token:   "aws:iam/user:User",
		Replace: []string{"name", "path"},
		// The name is the account's, whatever the path.
		DeleteBeforeReplace: true,
		Check:               checkUser,
		Create:              createUser,
		Read:                readUser,
		Update:              updateUser,
		Delete:              deleteUser,
	}
}

// iamName is IAM's rule for the names of users and of inline policies; a user's name is at most 64 long.
var iamName = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

const maxUserName = 64

func checkUser(in *userArgs) []embedded.Problem {
	problems := checkMark(in.Tags)
	if !iamName.MatchString(in.Name) || len(in.Name) > maxUserName {
		problems = append(problems, embedded.Problem{Input: "name", Reason: fmt.Sprintf(
			"%q is no user name: 1 to %d letters, digits and _+=,.@-", in.Name, maxUserName)})
	}
	if in.Path == "" {
		in.Path = "/"
	}
	return problems
}

func createUser(ctx context.Context, c *client, op embedded.Op, in userArgs) (string, userState, error) {
	tags, err := marked(in.Tags, op.Owner)
	if err != nil {
		return "", userState{}, err
	}
	_, err = c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &in.Name, Path: &in.Path, Tags: iamTags(tags)})
	if err != nil && !is(err, "EntityAlreadyExists") {
		return "", userState{}, c.fail(err, "create user %q", in.Name)
	}
	// Read back also after a success: whether the server kept the mark decides whether the user is ours.
	user, now, err := c.awaitUser(ctx, in.Name)
	switch {
	case err != nil:
		return "", userState{}, err
	case now[markKey] != op.Owner:
		return "", userState{}, refuse("user", in.Name, now[markKey], op.Owner)
	}
	if now, err = c.tagUser(ctx, in.Name, now, tags); err != nil {
		return "", userState{}, err
	}
	return in.Name, stateOfUser(in, user, now), nil
}

// How long and how often to look for a user that was just created: on AWS it may take seconds until all of IAM knows.
const (
	visibleWithin = 30 * time.Second
	lookEvery     = 500 * time.Millisecond
)

func (c *client) awaitUser(ctx context.Context, name string) (iamtypes.User, map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, visibleWithin)
	defer cancel()
	for {
		user, tags, found, err := c.user(ctx, name)
		if err != nil || found {
			return user, tags, err
		}
		select {
		case <-ctx.Done():
			return user, nil, fmt.Errorf("user %q was created but does not show within %v", name, visibleWithin)
		case <-time.After(lookEvery):
		}
	}
}

// tagUser gives a user these tags instead of those it has now; the provider's own about its keys stay.
func (c *client) tagUser(ctx context.Context, name string, now, want map[string]string) (map[string]string, error) {
	out := maps.Clone(want)
	var drop []string
	for _, k := range sortedKeys(now) {
		if _, ok := want[k]; ok {
			continue
		}
		if internalTag(k) {
			out[k] = now[k]
		} else {
			drop = append(drop, k)
		}
	}
	if len(drop) > 0 {
		if _, err := c.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: &name, TagKeys: drop}); err != nil {
			return nil, c.fail(err, "remove tags of user %q", name)
		}
	}
	missing := maps.Clone(want)
	maps.DeleteFunc(missing, func(k, v string) bool { n, ok := now[k]; return ok && n == v })
	if len(missing) > 0 {
		if _, err := c.iam.TagUser(ctx, &iam.TagUserInput{UserName: &name, Tags: iamTags(missing)}); err != nil {
			return nil, c.fail(err, "tag user %q", name)
		}
	}
	return out, nil
}

func stateOfUser(in userArgs, user iamtypes.User, tags map[string]string) userState {
	in.Path = aws.ToString(user.Path)
	in.Tags = programTags(tags, in.Tags)
	all := maps.Clone(tags)
	maps.DeleteFunc(all, func(k, _ string) bool { return internalTag(k) && k != markKey })
	return userState{userArgs: in, Arn: aws.ToString(user.Arn), UniqueID: aws.ToString(user.UserId), TagsAll: all}
}

// readUser calls a user gone that is not marked as ours any more, as readBucket does.
func readUser(ctx context.Context, c *client, op embedded.Op, id string, state userState) (userState, error) {
	user, tags, found, err := c.user(ctx, id)
	if err != nil {
		return state, err
	}
	if found && op.Import && tags[markKey] != op.Owner {
		return state, refuse("user", id, tags[markKey], op.Owner)
	}
	if !found || tags[markKey] != op.Owner {
		return state, embedded.ErrGone
	}
	in := state.userArgs
	in.Name = id
	return stateOfUser(in, user, tags), nil
}

func updateUser(
	ctx context.Context, c *client, op embedded.Op, id string, _ userState, in userArgs,
) (userState, error) {
	user, now, found, err := c.user(ctx, id)
	switch {
	case err != nil:
		return userState{}, err
	case !found:
		return userState{}, fmt.Errorf("user %q does not exist", id)
	case now[markKey] != op.Owner:
		return userState{}, refuse("user", id, now[markKey], op.Owner)
	}
	tags, err := marked(in.Tags, op.Owner)
	if err != nil {
		return userState{}, err
	}
	if now, err = c.tagUser(ctx, id, now, tags); err != nil {
		return userState{}, err
	}
	return stateOfUser(in, user, now), nil
}

func deleteUser(ctx context.Context, c *client, op embedded.Op, id string, state userState) error {
	_, tags, found, err := c.user(ctx, id)
	if err != nil || !found || tags[markKey] != op.Owner {
		return err
	}
	if state.ForceDestroy {
		if err := c.stripUser(ctx, id); err != nil {
			return err
		}
	}
	_, err = c.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &id})
	if is(err, "DeleteConflict") && !state.ForceDestroy {
		return fmt.Errorf("delete user %q: it still has keys or policies: remove them or set forceDestroy", id)
	}
	if err != nil && !isNoEntity(err) {
		return c.fail(err, "delete user %q", id)
	}
	return nil
}

// stripUser removes the keys and inline policies that no state knows any more.
func (c *client) stripUser(ctx context.Context, name string) error {
	keys, err := c.userKeys(ctx, name)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := c.deleteKey(ctx, name, aws.ToString(key.AccessKeyId)); err != nil {
			return err
		}
	}
	var policies []string
	pages := iam.NewListUserPoliciesPaginator(c.iam, &iam.ListUserPoliciesInput{UserName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isNoEntity(err) {
			return nil
		}
		if err != nil {
			return c.fail(err, "list the policies of user %q", name)
		}
		policies = append(policies, page.PolicyNames...)
	}
	for _, policy := range slices.Compact(policies) {
		if err := c.deletePolicy(ctx, name, policy); err != nil {
			return err
		}
	}
	return nil
}
