package storage

import "encoding/json"

// document is an IAM policy. Lists are always lists: versitygw takes no single values.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect    string
	Principal string `json:",omitempty"`
	Action    []string
	Resource  []string
}

// policyVersion is the version of the policy language, not of a policy.
const policyVersion = "2012-10-17"

// maxUserPolicy is IAM's limit in bytes for the inline policies of a user: room for ten buckets with the longest names.
const maxUserPolicy = 2048

// publicReadPolicy lets everybody read a bucket's objects, not list them.
func publicReadPolicy(bucket string) string {
	return text(document{Version: policyVersion, Statement: []statement{{
		Effect: "Allow", Principal: "*",
		Action: []string{"s3:GetObject"}, Resource: []string{arn(bucket) + "/*"},
	}}})
}

// userPolicy lets an application use its buckets and their objects, but not change or remove the buckets.
func userPolicy(buckets []Bucket) string {
	var whole, objects []string
	for _, b := range buckets {
		whole = append(whole, arn(b.BucketName))
		objects = append(objects, arn(b.BucketName)+"/*")
	}
	return text(document{Version: policyVersion, Statement: []statement{
		{
			Effect: "Allow", Resource: whole,
			Action: []string{
				"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions",
			},
		},
		{
			Effect: "Allow", Resource: objects,
			Action: []string{
				"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectTagging", "s3:DeleteObjectVersion",
				"s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:ListMultipartUploadParts",
				"s3:PutObject", "s3:PutObjectTagging",
			},
		},
	}})
}

func arn(bucket string) string { return "arn:aws:s3:::" + bucket }

func text(d document) string {
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings alone: cannot happen
	}
	return string(raw)
}
