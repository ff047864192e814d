// Prints the messages of Envoy's API that are understood here, and those that they are made of, as JSON. Run by
// ../generate-message-table.ts, which makes the table of src/control-plane/xds/wire/message-table.ts of it.
package main

import (
	"encoding/json"
	"log"
	"os"
	"sort"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Field is one field of a message.
type Field struct {
	Number   int32  `json:"number"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Type     string `json:"type,omitempty"`
	Repeated bool   `json:"repeated,omitempty"`
	// Kind of the keys of a map; kind and type are then those of its values.
	Key   string `json:"key,omitempty"`
	OneOf string `json:"oneOf,omitempty"`
}

// Table is what is printed.
type Table struct {
	Messages map[string][]Field          `json:"messages"`
	Enums    map[string]map[int32]string `json:"enums"`
}

// Their fields are nobody's business here: expressions in CEL, which has its own parser, and what only other protocols carry.
func isOpaque(name protoreflect.FullName) bool {
	for _, prefix := range []string{"cel.expr.", "google.api.expr.", "google.protobuf."} {
		if strings.HasPrefix(string(name), prefix) {
			return true
		}
	}
	return false
}

func main() {
	table := Table{Messages: map[string][]Field{}, Enums: map[string]map[int32]string{}}
	for _, name := range files {
		file, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		for i := range file.Messages().Len() {
			table.add(file.Messages().Get(i))
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(table); err != nil {
		log.Fatal(err)
	}
}

func (table Table) add(message protoreflect.MessageDescriptor) {
	name := string(message.FullName())
	if _, isThere := table.Messages[name]; isThere || isOpaque(message.FullName()) {
		return
	}
	table.Messages[name] = []Field{}
	fields := []Field{}
	for i := range message.Fields().Len() {
		descriptor := message.Fields().Get(i)
		field := Field{Number: int32(descriptor.Number()), Name: string(descriptor.Name())}
		value := descriptor
		if descriptor.IsMap() {
			field.Key = descriptor.MapKey().Kind().String()
			value = descriptor.MapValue()
		} else {
			field.Repeated = descriptor.IsList()
		}
		field.Kind = value.Kind().String()
		if inner := value.Message(); inner != nil {
			field.Type = string(inner.FullName())
			table.add(inner)
		}
		if enum := value.Enum(); enum != nil {
			field.Type = string(enum.FullName())
			table.addEnum(enum)
		}
		if oneOf := descriptor.ContainingOneof(); oneOf != nil && !oneOf.IsSynthetic() {
			field.OneOf = string(oneOf.Name())
		}
		fields = append(fields, field)
	}
	sort.Slice(fields, func(a, b int) bool { return fields[a].Number < fields[b].Number })
	table.Messages[name] = fields
	for i := range message.Messages().Len() {
		if inner := message.Messages().Get(i); !inner.IsMapEntry() {
			table.add(inner)
		}
	}
}

func (table Table) addEnum(enum protoreflect.EnumDescriptor) {
	names := map[int32]string{}
	for i := range enum.Values().Len() {
		value := enum.Values().Get(i)
		// The first name of a number is the one that is printed.
		if _, isThere := names[int32(value.Number())]; !isThere {
			names[int32(value.Number())] = string(value.Name())
		}
	}
	table.Enums[string(enum.FullName())] = names
}
