package aws

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"plattr.dev/plattr/internal/providers/embedded"
)

// keyTagPrefix and a key's ID make a tag of the key's user: which resource the key belongs to. Keys have no tags.
const keyTagPrefix = "plattr:key:"

type accessKeyArgs struct {
	User   string `json:"user"`
	Status string `json:"status"`
}

type accessKeyState struct {
	accessKeyArgs

	CreateDate string `json:"createDate"`
	Secret     string `json:"secret,omitempty"`
	SMTP       string `json:"sesSmtpPasswordV4,omitempty"`
}

func accessKeyType() embedded.Resource[*client] {
	return &embedded.Type[*client, accessKeyArgs, accessKeyState]{
		Token:   "aws:iam/accessKey:AccessKey",
		Replace: []string{"user"},
		Secret:  []string{"secret", "sesSmtpPasswordV4"},
		Check: func(in *accessKeyArgs) []embedded.Problem {
			if in.Status == "" {
				in.Status = string(iamtypes.StatusTypeActive)
			}
			problems := oneOf("status", in.Status, []string{"Active", "Inactive"})
			if in.User == "" {
				problems = append(problems, embedded.Problem{Input: "user", Reason: "is required"})
			}
			return problems
		},
		Create: createAccessKey,
		Read:   readAccessKey,
		Update: updateAccessKey,
		Delete: func(ctx context.Context, c *client, _ embedded.Op, id string, state accessKeyState) error {
			return c.deleteKey(ctx, state.User, id)
		},
	}
}

// createAccessKey makes a key and removes those that a killed run made for the same resource: their secrets were
// never written down, so they are of no use to anybody. A key of another resource is left alone.
func createAccessKey(ctx context.Context, c *client, op embedded.Op, in accessKeyArgs) (string, accessKeyState, error) {
	defer c.keys.lock(in.User)() // or a key that is not tagged yet looks like a leftover
	tags, err := c.ownUser(ctx, op, in.User)
	if err != nil {
		return "", accessKeyState{}, fmt.Errorf("create access key: %w", err)
	}
	mark := keyMark(op.URN)
	keys, err := c.userKeys(ctx, in.User)
	if err != nil {
		return "", accessKeyState{}, err
	}
	for _, key := range keys {
		id := aws.ToString(key.AccessKeyId)
		if holder := tags[keyTagPrefix+id]; holder == "" || holder == mark {
			if err := c.deleteKey(ctx, in.User, id); err != nil {
				return "", accessKeyState{}, err
			}
		}
	}
	res, err := c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &in.User})
	if err != nil {
		return "", accessKeyState{}, c.fail(err, "create access key of user %q", in.User)
	}
	id := aws.ToString(res.AccessKey.AccessKeyId)
	tag := iamTags(map[string]string{keyTagPrefix + id: mark})
	if _, err := c.iam.TagUser(ctx, &iam.TagUserInput{UserName: &in.User, Tags: tag}); err != nil {
		return "", accessKeyState{}, c.fail(err, "tag user %q", in.User)
	}
	if in.Status != string(res.AccessKey.Status) {
		if err := c.setKeyStatus(ctx, in.User, id, in.Status); err != nil {
			return "", accessKeyState{}, err
		}
	}
	secret := aws.ToString(res.AccessKey.SecretAccessKey)
	return id, accessKeyState{
		accessKeyArgs: in,
		CreateDate:    aws.ToTime(res.AccessKey.CreateDate).Format(time.RFC3339),
		Secret:        secret,
		SMTP:          smtpPassword(secret, c.region),
	}, nil
}

// keyMark is a resource's URN as a tag value, which may be neither as long nor hold all its characters.
func keyMark(urn resource.URN) string {
	sum := sha256.Sum256([]byte(urn))
	return hex.EncodeToString(sum[:])
}

func readAccessKey(
	ctx context.Context, c *client, op embedded.Op, id string, state accessKeyState,
) (accessKeyState, error) {
	if op.Import {
		used, err := c.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &id})
		if err != nil {
			return state, c.fail(err, "find the user of access key %s", id)
		}
		state.User = aws.ToString(used.UserName)
	}
	keys, err := c.userKeys(ctx, state.User)
	if err != nil {
		return state, err
	}
	for _, key := range keys {
		if aws.ToString(key.AccessKeyId) == id {
			state.Status = string(key.Status)
			state.CreateDate = aws.ToTime(key.CreateDate).Format(time.RFC3339)
			return state, nil
		}
	}
	return state, embedded.ErrGone
}

func updateAccessKey(
	ctx context.Context, c *client, op embedded.Op, id string, old accessKeyState, in accessKeyArgs,
) (accessKeyState, error) {
	if _, err := c.ownUser(ctx, op, in.User); err != nil {
		return old, fmt.Errorf("update access key %s: %w", id, err)
	}
	old.accessKeyArgs = in
	return old, c.setKeyStatus(ctx, in.User, id, in.Status)
}

func (c *client) setKeyStatus(ctx context.Context, user, id, status string) error {
	_, err := c.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
		UserName: &user, AccessKeyId: &id, Status: iamtypes.StatusType(status),
	})
	if err != nil {
		return c.fail(err, "make access key %s %s", id, status)
	}
	return nil
}

// userKeys are a user's keys; none for a user that does not exist.
func (c *client) userKeys(ctx context.Context, user string) ([]iamtypes.AccessKeyMetadata, error) {
	var keys []iamtypes.AccessKeyMetadata
	pages := iam.NewListAccessKeysPaginator(c.iam, &iam.ListAccessKeysInput{UserName: &user})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isNoEntity(err) {
			return nil, nil
		}
		if err != nil {
			return nil, c.fail(err, "list the access keys of user %q", user)
		}
		keys = append(keys, page.AccessKeyMetadata...)
	}
	return keys, nil
}

// deleteKey removes a key, then its tag: in this order a kill leaves a tag too many, never a key that nobody knows.
// Key IDs are never given twice, so a key of that ID is the one that the state knows, whoever owns the user now.
func (c *client) deleteKey(ctx context.Context, user, id string) error {
	_, err := c.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &user, AccessKeyId: &id})
	if err != nil && !isNoEntity(err) {
		return c.fail(err, "delete access key %s of user %q", id, user)
	}
	_, err = c.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: &user, TagKeys: []string{keyTagPrefix + id}})
	if err != nil && !isNoEntity(err) {
		return c.fail(err, "untag user %q", user)
	}
	return nil
}

// smtpPassword is a secret key as SES's SMTP password in a region.
// Source: https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html#smtp-credentials-convert.
func smtpPassword(secret, region string) string {
	sum := []byte("AWS4" + secret)
	for _, part := range []string{"11111111", region, "ses", "aws4_request", "SendRawEmail"} {
		mac := hmac.New(sha256.New, sum)
		mac.Write([]byte(part))
		sum = mac.Sum(nil)
	}
	return base64.StdEncoding.EncodeToString(append([]byte{4}, sum...))
}
