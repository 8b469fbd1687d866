module example.com/old

go 1.16

require github.com/a/b v1.2.3
