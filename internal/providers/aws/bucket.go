package aws

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/providers/embedded"
)

// defaultRegion is the one region that CreateBucket must not name.
const defaultRegion = "us-east-1"

// timeouts is what the official plugin writes for a resource with time-outs (create, delete, read, update).
// Source: terraform-plugin-sdk, helper/schema/resource_timeout.go, TimeoutKey; aws_s3_bucket's own values.
const timeouts = `{"e2bfb730-ecaa-11e6-8f88-34363bc7c4c0":{"create":1200000000000,` +
	`"delete":3600000000000,"read":1200000000000,"update":1200000000000}}`

type bucketArgs struct {
	Bucket       string            `json:"bucket,omitempty"`
	ForceDestroy bool              `json:"forceDestroy"`
	Tags         map[string]string `json:"tags,omitempty"`
}

type bucketState struct {
	bucketArgs

	Arn                      string            `json:"arn"`
	BucketDomainName         string            `json:"bucketDomainName"`
	BucketPrefix             string            `json:"bucketPrefix"`
	BucketRegionalDomainName string            `json:"bucketRegionalDomainName"`
	HostedZoneID             string            `json:"hostedZoneId"`
	ObjectLockEnabled        bool              `json:"objectLockEnabled"`
	Region                   string            `json:"region"`
	TagsAll                  map[string]string `json:"tagsAll"`
}

func bucketType() embedded.Resource[*client] {
	return &embedded.Type[*client, bucketArgs, bucketState]{
		Token:   "aws:s3/bucketV2:BucketV2",
		Replace: []string{"bucket"},
		Meta:    timeouts,
		Check:   checkBucket,
		Create:  createBucket,
		Read:    readBucket,
		Update:  updateBucket,
		Delete:  deleteBucket,
	}
}

// bucketName is S3's rule for general purpose buckets, without the reserved affixes.
var bucketName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{1,61})[a-z0-9]$`)

func checkBucket(in *bucketArgs) []embedded.Problem {
	problems := checkMark(in.Tags)
	switch {
	case in.Bucket == "":
		problems = append(problems, embedded.Problem{Input: "bucket", Reason: "is required: no name is made up here"})
	case !bucketName.MatchString(in.Bucket) || strings.Contains(in.Bucket, ".."):
		problems = append(problems, embedded.Problem{Input: "bucket", Reason: fmt.Sprintf(
			"%q is no bucket name: 3 to 63 of a-z, 0-9, - and ., a letter or digit at both ends, no two dots", in.Bucket)})
	}
	return problems
}

func createBucket(ctx context.Context, c *client, op embedded.Op, in bucketArgs) (string, bucketState, error) {
	tags, err := marked(in.Tags, op.Owner)
	if err != nil {
		return "", bucketState{}, err
	}
	// Asked first, because us-east-1 answers CreateBucket with success for any bucket of the account.
	now, found, err := c.bucketTags(ctx, in.Bucket)
	if err != nil {
		return "", bucketState{}, err
	}
	if !found {
		if err := c.makeBucket(ctx, in.Bucket, tags); err != nil {
			return "", bucketState{}, err
		}
		if now, _, err = c.bucketTags(ctx, in.Bucket); err != nil {
			return "", bucketState{}, err
		}
		if len(now) == 0 { // this server ignores the tags of CreateBucket
			if now, err = c.tagBucket(ctx, in.Bucket, tags); err != nil {
				return "", bucketState{}, err
			}
		}
	}
	if now[markKey] != op.Owner {
		return "", bucketState{}, refuse("bucket", in.Bucket, now[markKey], op.Owner)
	}
	if !maps.Equal(now, tags) {
		if now, err = c.tagBucket(ctx, in.Bucket, tags); err != nil {
			return "", bucketState{}, err
		}
	}
	return in.Bucket, c.bucketState(in, now), nil
}

// makeBucket creates the bucket with its tags in one request. That it exists is no error here: the caller looks at
// the mark next, which also covers a request that was repeated because its answer was lost.
func (c *client) makeBucket(ctx context.Context, bucket string, tags map[string]string) error {
	conf := &s3types.CreateBucketConfiguration{Tags: s3Tags(tags)}
	if c.region != defaultRegion {
		conf.LocationConstraint = s3types.BucketLocationConstraint(c.region)
	}
	_, err := c.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: conf})
	switch {
	case err == nil, is(err, "BucketAlreadyOwnedByYou"):
		return nil
	case is(err, "BucketAlreadyExists"):
		return fmt.Errorf("bucket %q belongs to another account: choose another name", bucket)
	}
	return c.fail(err, "create bucket %q", bucket)
}

func (c *client) tagBucket(ctx context.Context, bucket string, tags map[string]string) (map[string]string, error) {
	_, err := c.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: &bucket, Tagging: &s3types.Tagging{TagSet: s3Tags(tags)},
	})
	if err != nil {
		return nil, c.fail(err, "tag bucket %q", bucket)
	}
	return tags, nil
}

func (c *client) bucketState(in bucketArgs, tags map[string]string) bucketState {
	name := in.Bucket
	in.Tags = programTags(tags, in.Tags)
	return bucketState{
		bucketArgs:               in,
		Arn:                      "arn:aws:s3:::" + name,
		BucketDomainName:         name + ".s3.amazonaws.com",
		BucketRegionalDomainName: name + ".s3." + c.region + ".amazonaws.com",
		HostedZoneID:             hostedZone(c.region),
		Region:                   c.region,
		TagsAll:                  tags,
	}
}

// readBucket calls a bucket gone that has lost its mark or has another's: it may be one that somebody made after ours
// was deleted. Create then says so.
func readBucket(ctx context.Context, c *client, op embedded.Op, id string, state bucketState) (bucketState, error) {
	tags, found, err := c.bucketTags(ctx, id)
	if err != nil {
		return state, err
	}
	if found && op.Import && tags[markKey] != op.Owner {
		return state, refuse("bucket", id, tags[markKey], op.Owner)
	}
	if !found || tags[markKey] != op.Owner {
		return state, embedded.ErrGone
	}
	in := state.bucketArgs
	in.Bucket = id
	return c.bucketState(in, tags), nil
}

func updateBucket(
	ctx context.Context, c *client, op embedded.Op, id string, _ bucketState, in bucketArgs,
) (bucketState, error) {
	if err := c.ownBucket(ctx, op, id); err != nil {
		return bucketState{}, err
	}
	tags, err := marked(in.Tags, op.Owner)
	if err != nil {
		return bucketState{}, err
	}
	if tags, err = c.tagBucket(ctx, id, tags); err != nil {
		return bucketState{}, err
	}
	return c.bucketState(in, tags), nil
}

// deleteRounds bounds how often a bucket is emptied again because somebody still writes into it.
const deleteRounds = 5

func deleteBucket(ctx context.Context, c *client, op embedded.Op, id string, state bucketState) error {
	if own, err := c.isOwnBucket(ctx, op, id); err != nil || !own {
		return err
	}
	for round := 0; ; round++ {
		_, err := c.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &id})
		switch {
		case err == nil, isNoBucket(err):
			return nil
		case !is(err, "BucketNotEmpty", "VersionedBucketNotEmpty"):
			return c.fail(err, "delete bucket %q", id)
		case !state.ForceDestroy:
			return fmt.Errorf("delete bucket %q: it holds objects or versions: empty it or set forceDestroy", id)
		case round == deleteRounds:
			return fmt.Errorf("delete bucket %q: it was emptied %d times and something still writes into it", id, round)
		}
		if err := c.emptyBucket(ctx, id); err != nil {
			return err
		}
		if round > 0 {
			if err := c.removeFolders(ctx, id, ""); err != nil {
				return err
			}
		}
	}
}

func internalTag(key string) bool { return key == markKey || strings.HasPrefix(key, keyTagPrefix) }

// hostedZone is the Route 53 zone of S3's website endpoint in a region; empty for a region that is not listed.
// Source: https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints.
func hostedZone(region string) string {
	return map[string]string{
		"us-east-1": "Z3AQBSTGFYJSTF", "us-east-2": "Z2O1EMRO9K5GLX", "us-west-1": "Z2F56UZL2M1ACD",
		"us-west-2": "Z3BJ6K6RIION7M", "eu-central-1": "Z21DNDUVLTQW6Q", "eu-west-1": "Z1BKCTXD74EZPE",
		"eu-west-2": "Z3GKZC51ZF0DB4", "eu-west-3": "Z3R1K369G5AVDG", "eu-north-1": "Z3BAZG2TWCNX0D",
		"ap-southeast-1": "Z3O0J2DXBE1FTB", "ap-southeast-2": "Z1WCIGYICN2BYD", "ap-northeast-1": "Z2M4EHUR26P7ZW",
		"ap-northeast-2": "Z3W03O7B5YMIYP", "ap-south-1": "Z11RGJOFQNVJUP", "ca-central-1": "Z1QDHH18159H29",
		"sa-east-1": "Z7KQH4QJS55SO",
	}[region]
}
