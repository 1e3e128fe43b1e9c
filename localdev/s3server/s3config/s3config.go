// Package s3config is what starts a local S3 server, without the server's own many dependencies.
package s3config

// Version is versitygw's version, as in go.mod.
const Version = "1.8.0"

// Region is the region that every local bucket is in.
const Region = "us-east-1"

// Config is one server.
type Config struct {
	// Dir holds the data: buckets/, versions/, iam/ and, on a file system without extended attributes, sidecar/.
	Dir string `json:"dir"`
	// Address is host:port of the S3 API.
	Address string `json:"address"`
	// IAMAddress is host:port of the IAM API (CreateUser, PutUserPolicy, CreateAccessKey and so on).
	IAMAddress string `json:"iamAddress"`
	// WebAddress is host:port of the web console; empty: none.
	WebAddress string `json:"webAddress,omitempty"`
	// PublicURL, PublicIAMURL and PublicWebURL are the three as a browser finds them, where that is not at their addresses.
	PublicURL    string `json:"publicUrl,omitempty"`
	PublicIAMURL string `json:"publicIamUrl,omitempty"`
	PublicWebURL string `json:"publicWebUrl,omitempty"`
	// AccessKey and SecretKey are the root account's, for both APIs.
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
}
