package dev.chasqui;

/// A server on another machine cannot be reached, does not answer, is no RPC server of this llama.cpp, or was lost. The message names it.
///
/// What a model had on a lost server is gone: the model and everything made of it can only be closed, which frees all that is on this machine.
/// See [ModelOptions#rpcServers()].
public final class RpcException extends ChasquiException {

    public RpcException(String message) {
        super(message);
    }
}
