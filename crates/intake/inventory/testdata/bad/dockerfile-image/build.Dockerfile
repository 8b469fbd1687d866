FROM debian:12@sha256:12
