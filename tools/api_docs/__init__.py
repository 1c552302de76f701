"""The reference of the API in docs/api, written from the .proto files: `make api-docs`."""
