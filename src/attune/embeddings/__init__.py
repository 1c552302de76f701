"""Text to vectors: encoder, domain experts, routing, augmentation and batching. A pure library: no gRPC, no Kafka."""
