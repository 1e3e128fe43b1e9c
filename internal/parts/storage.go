package parts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/providers/aws"
)

const (
	// mostObjects is how many objects of a bucket are counted.
	mostObjects = 10_000
	// toSpare is what is left of the limit when counting ends, to say how far it came.
	toSpare = 300 * time.Millisecond
)

func (a Asker) storage(ctx context.Context) (cluster.Part, error) {
	p, err := a.server(ctx, deploy.Servers{Storage: true})
	if err != nil {
		return cluster.Part{}, err
	}
	gauge, err := aws.NewGauge(ctx, gaugeOf(p.Storage))
	if errors.Is(err, aws.ErrNoIdentity) {
		err = &unaskedError{err}
	}
	if err != nil {
		return cluster.Part{}, err
	}
	defer gauge.Close()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-toSpare))
		defer cancel()
	}
	buckets := make([]cluster.Bucket, len(a.App.Spec.Storage.Buckets))
	var all errgroup.Group
	for i, b := range a.App.Spec.Storage.Buckets {
		all.Go(func() (err error) {
			buckets[i], err = measure(ctx, gauge, cluster.Bucket{Name: b.Name, Bucket: a.names().Bucket(b.Name)})
			return err
		})
	}
	if err := all.Wait(); err != nil {
		if aws.IsRefused(err) {
			err = &refusedError{err}
		}
		return cluster.Part{}, err
	}
	return ofBuckets(buckets), nil
}

// gaugeOf is the configuration of the client. One that is asked twice has had its chance.
func gaugeOf(s deploy.StorageServer) aws.Config {
	once := 1
	c := aws.Config{Region: s.Region, AccessKey: s.Admin.User, SecretKey: s.Admin.Secret, MaxRetries: &once}
	if s.Endpoint != "" {
		c.Endpoints = []aws.Endpoint{{S3: s.Endpoint}}
		c.S3UsePathStyle, c.SkipMetadataApiCheck = true, true
	}
	return c
}

func measure(ctx context.Context, gauge *aws.Gauge, b cluster.Bucket) (cluster.Bucket, error) {
	content, err := gauge.Measure(ctx, b.Bucket, mostObjects)
	if errors.Is(err, aws.ErrNoBucket) {
		b.Missing = true
		return b, nil
	}
	b.Objects, b.Bytes, b.More = content.Objects, content.Bytes, content.More
	return b, err
}

// ofBuckets says how the buckets are.
func ofBuckets(buckets []cluster.Bucket) cluster.Part {
	part := cluster.Part{State: cluster.PartReady, Storage: &cluster.Storage{Buckets: buckets}}
	var there, missing []string
	for _, b := range buckets {
		switch objects := cli.Count(b.Objects, "object"); {
		case b.Missing:
			missing = append(missing, b.Bucket)
			continue
		case b.More:
			there = append(there, fmt.Sprintf("%s (more than %s, %s)", b.Name, objects, cli.Size(b.Bytes)))
		default:
			there = append(there, fmt.Sprintf("%s (%s, %s)", b.Name, objects, cli.Size(b.Bytes)))
		}
	}
	part.Detail = strings.Join(there, ", ")
	switch {
	case len(buckets) == 0:
		part.Detail = "no buckets"
	case len(there) == 0:
		part.State, part.Why = cluster.PartAbsent, "there is no bucket "+strings.Join(missing, ", ")
	case len(missing) > 0:
		part.State, part.Why = cluster.PartFailed, "there is no bucket "+strings.Join(missing, ", ")+": deploy the application again"
	}
	return part
}
