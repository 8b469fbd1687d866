module example.com/shop // the shop

go 1.21

require (
	github.com/a/b v1.2.3
	github.com/c/d v0.0.0-20240101000000-abcdef123456 // indirect
	github.com/e/f v2.0.0+incompatible
)

require github.com/g/h v1.0.0

replace github.com/a/b => github.com/fork/b v1.2.4

replace github.com/e/f v2.0.0+incompatible => ./local

exclude github.com/x/y v1.0.0
