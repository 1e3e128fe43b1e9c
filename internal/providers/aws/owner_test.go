package aws

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

func TestBucketOfAnotherStack(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	name := unique(t, "mine")
	mine, theirs := newProvider(t, s, "mine"), newProvider(t, s, "theirs")
	bucket := makeBucket(t, mine, name)

	_, err := theirs.Create(t, bucketToken, props{"bucket": name})
	wantError(t, err, `bucket "`+name+`" belongs to stack plattr/mine`, "plattr:owner=plattr/theirs")

	foreign := theirs.MustCreate(t, bucketToken, props{"bucket": name + "-2"})
	foreign.ID, foreign.Inputs, foreign.Outputs = bucket.ID, bucket.Inputs, bucket.Outputs // their state holds my bucket
	if foreign.Refresh() {
		t.Error("another stack's bucket was read as one's own")
	}
	_, err = theirs.Read(t.Context(), plugin.ReadRequest{URN: foreign.URN, ID: bucket.ID})
	wantError(t, err, `bucket "`+name+`" belongs to stack plattr/mine`)
	if err := foreign.Update(props{"bucket": name, "tags": props{"a": "b"}}); err == nil {
		t.Error("another stack's bucket was updated")
	}
	if err := foreign.Delete(); err != nil {
		t.Errorf("delete of another stack's bucket is no error, it is left alone: %v", err)
	}
	if !bucket.Refresh() {
		t.Fatal("the bucket is gone: another stack deleted it")
	}
	remove(t, bucket)
	if bucket.Refresh() {
		t.Error("the bucket is still there")
	}
}

func TestBucketOfAPerson(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	name := unique(t, "hers")
	if _, err := admin(s).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	p := newProvider(t, s, "mine")
	_, err := p.Create(t, bucketToken, props{"bucket": name})
	wantError(t, err, `bucket "`+name+`" exists and no stack made it`, "plattr:owner=plattr/mine")

	// What the message says helps.
	if _, err := admin(s).PutBucketTagging(t.Context(), &s3.PutBucketTaggingInput{
		Bucket: &name, Tagging: &s3types.Tagging{TagSet: s3Tags(map[string]string{markKey: "plattr/mine"})},
	}); err != nil {
		t.Fatal(err)
	}
	bucket := makeBucket(t, p, name)

	// A bucket that lost its mark may be one that somebody made anew.
	if _, err := admin(s).DeleteBucketTagging(t.Context(), &s3.DeleteBucketTaggingInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	if bucket.Refresh() {
		t.Error("a bucket without a mark was read as one's own")
	}
	remove(t, bucket)
	if _, err := admin(s).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &name}); err != nil {
		t.Errorf("a bucket without a mark was deleted: %v", err)
	}
}

func TestPartsOfAnotherBucket(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	name := unique(t, "parts")
	makeBucket(t, newProvider(t, s, "theirs"), name)
	makeUser(t, newProvider(t, s, "theirs"), name)
	p := newProvider(t, s, "mine")
	cases := map[string]struct {
		token string
		in    props
	}{
		"Cors":       {corsToken, corsInputs("*")(name, "")},
		"Policy":     {policyToken, props{"bucket": name, "policy": publicPolicy("s3:GetObject", name)}},
		"Versioning": {versioningToken, props{"bucket": name, "versioningConfiguration": props{"status": "Enabled"}}},
		"Ownership":  {ownershipToken, props{"bucket": name, "rule": props{"objectOwnership": "ObjectWriter"}}},
		"UserPolicy": {userPolicyToken, props{"name": "p", "user": name, "policy": statement("s3:*", name)}},
		"AccessKey":  {keyToken, props{"user": name}},
		"User":       {userToken, props{"name": name}},
	}
	for title, tc := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			_, err := p.Create(t, tc.token, tc.in)
			wantError(t, err, name, "belongs to stack plattr/theirs")
		})
	}
}

func TestUserOfAPerson(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	name := unique(t, "she")
	if _, err := iamAdmin(s).CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	p := newProvider(t, s, "mine")
	_, err := p.Create(t, userToken, props{"name": name})
	wantError(t, err, `user "`+name+`" exists and no stack made it`)

	if _, err := iamAdmin(s).TagUser(t.Context(), &iam.TagUserInput{
		UserName: &name, Tags: iamTags(map[string]string{markKey: "plattr/mine"}),
	}); err != nil {
		t.Fatal(err)
	}
	user := makeUser(t, p, name)
	if _, err := iamAdmin(s).UntagUser(t.Context(), &iam.UntagUserInput{
		UserName: &name, TagKeys: []string{markKey},
	}); err != nil {
		t.Fatal(err)
	}
	if user.Refresh() {
		t.Error("a user without a mark was read as one's own")
	}
	remove(t, user)
	if _, err := iamAdmin(s).GetUser(t.Context(), &iam.GetUserInput{UserName: &name}); err != nil {
		t.Errorf("a user without a mark was deleted: %v", err)
	}
}

func TestKeysOfKilledRuns(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	name := unique(t, "keys")
	first := newProvider(t, s, "mine")
	user := makeUser(t, first, name)
	second := *first
	second.Name = "second"

	// Two keys of one user, declared as two resources, live side by side.
	a, b := first.MustCreate(t, keyToken, props{"user": name}), second.MustCreate(t, keyToken, props{"user": name})
	wantKeys(t, s, name, a, b)
	// The run that made a is killed before it writes its state, twice: only the last of its keys stays.
	first.MustCreate(t, keyToken, props{"user": name})
	a = first.MustCreate(t, keyToken, props{"user": name})
	wantKeys(t, s, name, a, b)
	// A run is killed between making the key and saying whose it is.
	remove(t, b)
	if _, err := iamAdmin(s).CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	b = second.MustCreate(t, keyToken, props{"user": name})
	wantKeys(t, s, name, a, b)

	if a.Output("secret") == "" || !a.Outputs["secret"].IsSecret() || !a.Outputs["sesSmtpPasswordV4"].IsSecret() {
		t.Errorf("the key's secrets are not secret: %v", a.Outputs)
	}
	same(t, user, props{"name": name, "forceDestroy": true}) // the marks of keys are no drift
	remove(t, user)                                          // with both keys
	if a.Refresh() || b.Refresh() {
		t.Error("a key outlives its user")
	}
}

func wantKeys(t *testing.T, s *testutil.S3Server, user string, want ...*testutil.Resource) {
	t.Helper()
	res, err := iamAdmin(s).ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: &user})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range res.AccessKeyMetadata {
		got = append(got, aws.ToString(k.AccessKeyId))
	}
	if len(got) != len(want) {
		t.Errorf("the user has the keys %v, want %d", got, len(want))
	}
	for _, w := range want {
		if !strings.Contains(strings.Join(got, " "), string(w.ID)) {
			t.Errorf("key %s is not among %v", w.ID, got)
		}
	}
}

func wantError(t *testing.T, err error, fragments ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, f := range fragments {
		if !strings.Contains(err.Error(), f) {
			t.Errorf("error %q lacks %q", err, f)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
}
