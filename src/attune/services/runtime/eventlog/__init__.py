"""The event log: topic -> partitions -> offsets, with Apache Kafka's semantics, behind one port."""
