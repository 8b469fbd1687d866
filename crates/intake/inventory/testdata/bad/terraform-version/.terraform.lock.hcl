provider "registry.example/acme/cloud" {
}
