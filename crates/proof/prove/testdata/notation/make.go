// Makes the signatures in this folder with notation-core-go 1.3.0 (the library that the notation client signs with) and
// timestamps them with OpenSSL: go run make.go. Private keys are made and thrown away.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	gocose "github.com/veraison/go-cose"
)

var (
	start   = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	end     = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	expired = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	serial  = int64(1)
)

type holder struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func issue(cn string, key crypto.Signer, by *holder, ca bool, ekus []x509.ExtKeyUsage, until time.Time) holder {
	serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"example.com"}, CommonName: cn},
		NotBefore:    start, NotAfter: until, ExtKeyUsage: ekus, BasicConstraintsValid: true, IsCA: ca,
	}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
	}
	if len(ekus) == 1 && ekus[0] == x509.ExtKeyUsageTimeStamping {
		// RFC 3161, 2.3: critical.
		value, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
		check(err)
		template.ExtKeyUsage = nil
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: value}}
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	return holder{cert, key}
}

func ec(curve elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	check(err)
	return key
}

func rsaKey(bits int) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	check(err)
	return key
}

func save(out, name string, cert *x509.Certificate) {
	check(os.WriteFile(filepath.Join(out, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644))
}

type wanted struct {
	name   string
	chain  []holder
	scheme signature.SigningScheme
	expiry time.Time
	stamp  bool
}

func main() {
	out := os.Args[1]
	payload := []byte(`{"targetArtifact":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","size":3}}`)
	code := []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	root := issue("root", ec(elliptic.P384()), nil, true, nil, end)
	between := issue("between", ec(elliptic.P256()), &root, true, nil, end)
	p256 := issue("p256", ec(elliptic.P256()), &between, false, code, end)
	p384 := issue("p384", ec(elliptic.P384()), &root, false, nil, end)
	p521 := issue("p521", ec(elliptic.P521()), &root, false, code, end)
	rsa2048 := issue("rsa2048", rsaKey(2048), &root, false, code, end)
	old := issue("old", ec(elliptic.P256()), &root, false, code, expired)
	self := issue("self", ec(elliptic.P256()), nil, false, code, end)
	tsaRoot := issue("tsa root", ec(elliptic.P256()), nil, true, nil, end)
	tsa := issue("tsa", ec(elliptic.P256()), &tsaRoot, false, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}, end)
	save(out, "root.pem", root.cert)
	save(out, "self.pem", self.cert)
	save(out, "tsa.pem", tsaRoot.cert)

	x, authority := signature.SigningSchemeX509, signature.SigningSchemeX509SigningAuthority
	for _, one := range []wanted{
		{"p256", []holder{p256, between, root}, x, time.Time{}, false},
		{"p384", []holder{p384, root}, x, end, false},
		{"p521", []holder{p521, root}, x, time.Time{}, false},
		{"rsa2048", []holder{rsa2048, root}, x, time.Time{}, false},
		{"self", []holder{self}, x, time.Time{}, false},
		{"authority", []holder{p256, between, root}, authority, time.Time{}, false},
		// Signed while the certificate held, by a clock that stands in 2026.
		{"stamped", []holder{old, root}, x, time.Time{}, true},
		{"expired", []holder{p256, between, root}, x, start.Add(48 * time.Hour), false},
	} {
		certs := []*x509.Certificate{}
		for _, link := range one.chain {
			certs = append(certs, link.cert)
		}
		signer, err := signature.NewLocalSigner(certs, one.chain[0].key)
		check(err)
		for _, kind := range []string{jws.MediaTypeEnvelope, cose.MediaTypeEnvelope} {
			envelope, err := signature.NewEnvelope(kind)
			check(err)
			bytes, err := envelope.Sign(&signature.SignRequest{
				Payload:     signature.Payload{ContentType: "application/vnd.cncf.notary.payload.v1+json", Content: payload},
				Signer:      signer,
				SigningTime: start.Add(24 * time.Hour), Expiry: one.expiry, SigningScheme: one.scheme, SigningAgent: "make.go",
			})
			check(err)
			if one.stamp {
				bytes = stamped(kind, bytes, tsa, tsaRoot)
			}
			suffix := map[string]string{jws.MediaTypeEnvelope: "jws", cose.MediaTypeEnvelope: "cose"}[kind]
			check(os.WriteFile(filepath.Join(out, one.name+"."+suffix), bytes, 0o644))
		}
	}
}

// Puts an RFC 3161 token over the signature into the unprotected header.
func stamped(kind string, sealed []byte, tsa, root holder) []byte {
	if kind == jws.MediaTypeEnvelope {
		var parts map[string]json.RawMessage
		check(json.Unmarshal(sealed, &parts))
		var text string
		check(json.Unmarshal(parts["signature"], &text))
		sig, err := base64.RawURLEncoding.DecodeString(text)
		check(err)
		var header map[string]any
		check(json.Unmarshal(parts["header"], &header))
		header["io.cncf.notary.timestampSignature"] = token(sig, tsa, root)
		parts["header"], err = json.Marshal(header)
		check(err)
		done, err := json.Marshal(parts)
		check(err)
		return done
	}
	var message gocose.Sign1Message
	check(message.UnmarshalCBOR(sealed))
	message.Headers.Unprotected["io.cncf.notary.timestampSignature"] = token(message.Signature, tsa, root)
	message.Headers.RawUnprotected = nil
	done, err := message.MarshalCBOR()
	check(err)
	return done
}

func token(sig []byte, tsa, root holder) []byte {
	dir, err := os.MkdirTemp("", "tsa")
	check(err)
	defer os.RemoveAll(dir)
	write := func(name, kind string, der []byte) {
		check(os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	key, err := x509.MarshalPKCS8PrivateKey(tsa.key)
	check(err)
	write("key.pem", "PRIVATE KEY", key)
	write("tsa.pem", "CERTIFICATE", tsa.cert.Raw)
	write("root.pem", "CERTIFICATE", root.cert.Raw)
	check(os.WriteFile(filepath.Join(dir, "sig"), sig, 0o600))
	config := fmt.Sprintf("[tsa]\ndefault_tsa = t\n[t]\nserial = %s/serial\ncrypto_device = builtin\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256\ness_cert_id_alg = sha256\n", dir)
	check(os.WriteFile(filepath.Join(dir, "cnf"), []byte(config), 0o600))
	run := func(args ...string) {
		command := exec.Command("openssl", args...)
		command.Dir = dir
		said, err := command.CombinedOutput()
		if err != nil {
			panic(fmt.Sprint(err, string(said)))
		}
	}
	run("ts", "-query", "-data", "sig", "-sha256", "-cert", "-out", "q")
	run("ts", "-reply", "-queryfile", "q", "-config", "cnf", "-section", "t", "-signer", "tsa.pem", "-inkey", "key.pem", "-chain", "root.pem", "-token_out", "-out", "token")
	done, err := os.ReadFile(filepath.Join(dir, "token"))
	check(err)
	return bytes.Clone(done)
}
