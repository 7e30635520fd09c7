package telemetry

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/sidecarless/mesh"
)

// A node is a value of the metadata: a text, or fields if it has a list of them.
//
// On the wire the metadata is a google.protobuf.Struct: repeated entries (field 1)
// of a key (field 1) and a Value (field 2), which is a string (field 3) or a Struct
// (field 5) here. That is little enough to do without a library.
type node struct {
	key    string
	text   string
	fields []node
}

// The wire types and tags of that message.
const (
	bytesType = 2

	tagEntry  = 1<<3 | bytesType
	tagKey    = 1<<3 | bytesType
	tagValue  = 2<<3 | bytesType
	tagString = 3<<3 | bytesType
	tagStruct = 5<<3 | bytesType
)

// appendStruct appends fields as a Struct, in the order of their keys.
func appendStruct(dst []byte, fields []node) []byte {
	slices.SortFunc(fields, func(a, b node) int { return strings.Compare(a.key, b.key) })
	for _, f := range fields {
		value := appendBytes(nil, tagString, f.text)
		if f.fields != nil {
			value = appendBytes(nil, tagStruct, string(appendStruct(nil, f.fields)))
		}
		entry := appendBytes(nil, tagKey, f.key)
		entry = appendBytes(entry, tagValue, string(value))
		dst = appendBytes(dst, tagEntry, string(entry))
	}
	return dst
}

func appendBytes(dst []byte, tag byte, s string) []byte {
	dst = append(dst, tag)
	for n := uint(len(s)); ; n >>= 7 {
		if n < 0x80 {
			dst = append(dst, byte(n))
			break
		}
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, s...)
}

// errMetadata is that bytes are no Struct.
var errMetadata = errors.New("telemetry: malformed peer metadata")

// deepest is how many Structs may lie in one another.
const deepest = 8

// parseStruct reads a Struct. Values that are neither text nor Struct are left out.
func parseStruct(b []byte, depth int) ([]node, error) {
	if depth > deepest {
		return nil, errMetadata
	}
	fields := []node{}
	err := eachField(b, func(tag uint64, entry []byte) error {
		if tag != tagEntry {
			return nil
		}
		var f node
		var value []byte
		if err := eachField(entry, func(tag uint64, b []byte) error {
			switch tag {
			case tagKey:
				f.key = string(b)
			case tagValue:
				value = b
			}
			return nil
		}); err != nil {
			return err
		}
		kept := false
		if err := eachField(value, func(tag uint64, b []byte) (err error) {
			switch tag {
			case tagString:
				f.text, kept = string(b), true
			case tagStruct:
				f.fields, err = parseStruct(b, depth+1)
				kept = true
			}
			return err
		}); err != nil {
			return err
		}
		if kept {
			fields = append(fields, f)
		}
		return nil
	})
	return fields, err
}

// eachField calls do for each field of a message that is bytes, and skips others.
func eachField(b []byte, do func(tag uint64, value []byte) error) error {
	for len(b) > 0 {
		tag, n := uvarint(b)
		if n == 0 {
			return errMetadata
		}
		b = b[n:]
		size := uint64(0)
		switch tag & 7 {
		case 0:
			if _, n = uvarint(b); n == 0 {
				return errMetadata
			}
			b = b[n:]
			continue
		case 1:
			size = 8
		case 5:
			size = 4
		case bytesType:
			if size, n = uvarint(b); n == 0 {
				return errMetadata
			}
			b = b[n:]
		default:
			return errMetadata
		}
		if size > uint64(len(b)) {
			return errMetadata
		}
		if tag&7 == bytesType {
			if err := do(tag, b[:size]); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

// uvarint reads a number and how many bytes it takes, zero if it is none.
func uvarint(b []byte) (v uint64, n int) {
	for i := range min(len(b), 10) {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// encode is the value of the header that tells of w. What is not known is left out.
func encode(w *mesh.Workload) string {
	var fields []node
	labels := node{key: "LABELS", fields: []node{}}
	for _, f := range []node{
		{key: "NAME", text: w.Instance}, {key: "NAMESPACE", text: w.Namespace}, {key: "CLUSTER_ID", text: w.Cluster},
		{key: "WORKLOAD_NAME", text: w.Name}, {key: "IDENTITY", text: w.Principal},
	} {
		if f.text != "" {
			fields = append(fields, f)
		}
	}
	for _, f := range []node{
		{key: labelApp, text: w.App}, {key: labelVersion, text: w.Version},
		{key: labelCanonicalName, text: w.CanonicalService}, {key: labelCanonicalRevision, text: w.CanonicalRevision},
	} {
		if f.text != "" {
			labels.fields = append(labels.fields, f)
		}
	}
	return base64.StdEncoding.EncodeToString(appendStruct(nil, append(fields, labels)))
}

// decode reads the value of that header, with or without padding.
func decode(value string) (*mesh.Workload, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return nil, errMetadata
	}
	fields, err := parseStruct(b, 0)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{}
	text := map[string]string{}
	for _, f := range fields {
		text[f.key] = f.text
		if f.key == "LABELS" {
			for _, l := range f.fields {
				labels[l.key] = l.text
			}
		}
	}
	w := FromLabels(labels)
	if name := text["WORKLOAD_NAME"]; name != "" {
		w.Name = name
	}
	if cluster := text["CLUSTER_ID"]; cluster != "" {
		w.Cluster = cluster
	}
	w.Namespace, w.Instance, w.Principal = text["NAMESPACE"], text["NAME"], text["IDENTITY"]
	return &w, nil
}
