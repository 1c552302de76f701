"""What a record of the interactions or documents topic may look like, what it is taken for, and why it is refused.

refusal.py            the reasons, each a code and a sentence
headers.py            CloudEvents in binary mode
confluent.py          the frame that serializers of a Schema Registry put before the value
json_text.py          JSON values: InteractionEvent in proto3 JSON, or a UBI event
ubi.py                an OpenSearch UBI 1.x event as an InteractionEvent
decoding.py           headers, key and value together
document_decoding.py  the same for the change of a document
admission.py          what else must hold before a record is taken: size, tenant, rules, clock
"""
