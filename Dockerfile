# A static program on an empty file system, running as nobody. `make image` builds the same without a container engine.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/hlo-agent/hlo-agent/agent.version=$VERSION" -o /out/hlo-agent ./cmd/hlo-agent

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/hlo-agent /hlo-agent
USER 65532:65532
EXPOSE 8082 9102
ENTRYPOINT ["/hlo-agent"]
CMD ["run"]
