export * from "./errors.js";
export * from "./gen/ordermesh/analytics/v1/analytics_pb.js";
export * from "./gen/ordermesh/gateway/v1/pipeline_pb.js";
export * from "./gen/ordermesh/gateway/v1/watch_pb.js";
export * from "./gen/ordermesh/orders/v1/errors_pb.js";
export * from "./gen/ordermesh/orders/v1/inventory_pb.js";
export * from "./gen/ordermesh/orders/v1/orders_pb.js";
export * from "./services.js";
