module "network" {
  source = "a/b/c"
