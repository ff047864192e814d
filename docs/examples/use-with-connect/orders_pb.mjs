// orders_pb.mjs: what `buf generate` makes of orders.proto with protoc-gen-es.
import { fileDesc, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';

const file = fileDesc(
  'CgxvcmRlcnMucHJvdG8SB3Nob3AudjEiGgoMT3JkZXJSZXF1ZXN0EgoKAmlkGAEgASgJIi8KBU9yZGVyEgoKAmlkGAEgASgJEg0KBXN0YXRlGA' +
    'IgASgJEgsKA2ZvchgDIAEoCTKvAQoNT3JkZXJzU2VydmljZRIxCghHZXRPcmRlchIVLnNob3AudjEuT3JkZXJSZXF1ZXN0Gg4uc2hvcC52MS5P' +
    'cmRlchI1CgpXYXRjaE9yZGVyEhUuc2hvcC52MS5PcmRlclJlcXVlc3QaDi5zaG9wLnYxLk9yZGVyMAESNAoLQ2FuY2VsT3JkZXISFS5zaG9wLn' +
    'YxLk9yZGVyUmVxdWVzdBoOLnNob3AudjEuT3JkZXJiBnByb3RvMw',
);

export const OrderRequestSchema = messageDesc(file, 0);
export const OrderSchema = messageDesc(file, 1);
export const OrdersService = serviceDesc(file, 0);
