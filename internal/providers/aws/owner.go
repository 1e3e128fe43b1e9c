package aws

import (
	"context"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/providers/embedded"
)

// markKey is the tag that says which stack, as project/stack, a bucket or user belongs to.
//
// CreateBucket and CreateUser carry it, so on AWS and on versitygw there is no moment at which a thing of ours is
// unmarked, and a thing without the mark is never ours: a person made it, and it is refused. A server that ignores
// the tags of CreateBucket gets the mark by a second request. Only there can a kill between the two leave an unmarked
// empty bucket; it is refused like any other, with the line that says how to hand it over, because to adopt it would
// be to adopt a person's.
const markKey = "plattr:owner"

// handOver ends every refusal with what a person can do.
const handOver = "choose another name, or give it to this stack by the tag " + markKey + "=%s"

// refuse is the error for a thing that exists and is not this stack's.
func refuse(kind, name, mark, owner string) error {
	if mark == "" {
		return fmt.Errorf("%s %q exists and no stack made it: "+handOver, kind, name, owner)
	}
	return fmt.Errorf("%s %q belongs to stack %s: "+handOver, kind, name, mark, owner)
}

// checkMark is a problem if the program itself writes the mark, or a tag that the provider keeps for itself.
func checkMark(tags map[string]string) []embedded.Problem {
	for key := range tags {
		if internalTag(key) && key != markKey {
			return []embedded.Problem{{Input: "tags", Reason: fmt.Sprintf("the tag %q is the provider's own", key)}}
		}
	}
	return nil
}

// marked are the tags with the mark. A program may set the mark itself, so that the official plugin writes it too,
// but only to its own stack.
func marked(tags map[string]string, owner string) (map[string]string, error) {
	if m, ok := tags[markKey]; ok && m != owner {
		return nil, fmt.Errorf("tag %s is %q in the program, but this stack is %q", markKey, m, owner)
	}
	out := map[string]string{markKey: owner}
	maps.Copy(out, tags)
	return out, nil
}

// programTags are the tags that a program declares: without those of the provider, unless it declared the mark.
func programTags(all, declared map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range all {
		if _, ok := declared[k]; ok || !internalTag(k) {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// bucketTags are a bucket's tags; found is false if there is no such bucket.
func (c *client) bucketTags(ctx context.Context, bucket string) (tags map[string]string, found bool, err error) {
	res, err := c.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &bucket})
	switch {
	case isNoBucket(err):
		return nil, false, nil
	case is(err, "NoSuchTagSet", "NoSuchTagSetError"):
		return map[string]string{}, true, nil
	case err != nil:
		return nil, false, c.fail(err, "read the tags of bucket %q", bucket)
	}
	tags = make(map[string]string, len(res.TagSet))
	for _, t := range res.TagSet {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, true, nil
}

// ownBucket is an error unless the bucket is this stack's.
func (c *client) ownBucket(ctx context.Context, op embedded.Op, bucket string) error {
	tags, found, err := c.bucketTags(ctx, bucket)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("bucket %q does not exist", bucket)
	case tags[markKey] != op.Owner:
		return refuse("bucket", bucket, tags[markKey], op.Owner)
	}
	return nil
}

// isOwnBucket says the same where another's bucket is to be left alone.
func (c *client) isOwnBucket(ctx context.Context, op embedded.Op, bucket string) (bool, error) {
	tags, found, err := c.bucketTags(ctx, bucket)
	return found && tags[markKey] == op.Owner, err
}

// user is an IAM user with its tags; found is false if there is no such user.
func (c *client) user(ctx context.Context, name string) (user iamtypes.User, tags map[string]string, found bool, err error) {
	res, err := c.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if isNoEntity(err) {
		return user, nil, false, nil
	}
	if err != nil {
		return user, nil, false, c.fail(err, "read user %q", name)
	}
	tags = make(map[string]string, len(res.User.Tags))
	for _, t := range res.User.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return *res.User, tags, true, nil
}

// ownUser returns a user's tags, or an error unless it is this stack's.
func (c *client) ownUser(ctx context.Context, op embedded.Op, name string) (map[string]string, error) {
	_, tags, found, err := c.user(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("user %q does not exist", name)
	case tags[markKey] != op.Owner:
		return nil, refuse("user", name, tags[markKey], op.Owner)
	}
	return tags, nil
}

func s3Tags(tags map[string]string) []s3types.Tag {
	out := make([]s3types.Tag, 0, len(tags))
	for _, k := range sortedKeys(tags) {
		out = append(out, s3types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

func iamTags(tags map[string]string) []iamtypes.Tag {
	out := make([]iamtypes.Tag, 0, len(tags))
	for _, k := range sortedKeys(tags) {
		out = append(out, iamtypes.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}
