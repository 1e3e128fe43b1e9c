package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
)

// partial tells a stock CLI, as plugins do, of a resource that was made and does not work: Pulumi's provider server lets
// only the error through, and the resource would be lost for the state.
type partial struct{ plugin.Provider }

func (p partial) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	res, err := p.Provider.Create(ctx, req)
	return res, initFailed(err, res.ID, res.Properties, nil)
}

func (p partial) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	res, err := p.Provider.Update(ctx, req)
	return res, initFailed(err, req.ID, res.Properties, nil)
}

func (p partial) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	res, err := p.Provider.Read(ctx, req)
	return res, initFailed(err, res.ID, res.Outputs, res.Inputs)
}

func initFailed(err error, id resource.ID, state, inputs resource.PropertyMap) error {
	var broken *plugin.InitError
	if !errors.As(err, &broken) {
		return err
	}
	keep := plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true, KeepResources: true}
	properties, stateErr := plugin.MarshalProperties(state, keep)
	given, inputsErr := plugin.MarshalProperties(inputs, keep)
	if lost := errors.Join(stateErr, inputsErr); lost != nil {
		return errors.Join(err, lost)
	}
	detail := &pulumirpc.ErrorResourceInitFailed{Id: string(id), Properties: properties, Reasons: broken.Reasons}
	if inputs != nil {
		detail.Inputs = given
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, strings.Join(broken.Reasons, "; ")), detail) //nolint:wrapcheck // a status, as gRPC sends it
}
