"""A client of xDS by gRPC for Python. Each line of its input is an order, each line of its output the answers, in JSON."""

import json
import sys

import grpc

channels = {}


def call(order):
    target = order["target"]
    if target not in channels:
        channels[target] = grpc.insecure_channel("xds:///" + target)
    method = channels[target].unary_unary(order["path"])
    try:
        return method(b"", timeout=order["timeoutMs"] / 1000, wait_for_ready=False, metadata=order.get("metadata")).decode()
    except grpc.RpcError as error:
        return error.code().name + ": " + error.details()


for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps([call(order) for _ in range(order["calls"])]), flush=True)
