package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// readAWS reads a secret of AWS Secrets Manager with the machine's own identity, in the region that its ARN names.
func (e *Environment) readAWS(ctx context.Context, arn string) (string, error) {
	options := []func(*config.LoadOptions) error{}
	if parts := strings.Split(arn, ":"); len(parts) > 3 && parts[3] != "" {
		options = append(options, config.WithRegion(parts[3]))
	} else if e.file.Region != "" {
		options = append(options, config.WithRegion(e.file.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return "", fmt.Errorf("find the AWS identity of this machine: %w", err)
	}
	out, err := secretsmanager.NewFromConfig(loaded).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return "", fmt.Errorf("AWS Secrets Manager: %s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	if err != nil {
		return "", fmt.Errorf("ask AWS Secrets Manager: %w", err)
	}
	return aws.ToString(out.SecretString), nil
}
