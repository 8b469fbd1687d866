object dffb1819bd6d3ee240a1789acea5e677f0f819b9
type commit
tag v1.0.1
tagger Test <ed25519@example.com> 1767229200 +0100

not signed
