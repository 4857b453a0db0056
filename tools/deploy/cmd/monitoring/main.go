// monitoring reads objects of the Prometheus operator from standard input, YAML documents one after the other, into the
// operator's own types. A field that they do not have is an error: no API server knows these kinds in tests.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func check(document []byte) (string, error) {
	var object struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := strict.Unmarshal(document, &object); err != nil {
		return "", err
	}
	kinds := map[string]any{"ServiceMonitor": &monitoring.ServiceMonitor{}, "PrometheusRule": &monitoring.PrometheusRule{}}
	into, known := kinds[object.Kind]
	if !known {
		return "", fmt.Errorf("%q is no kind that is known here", object.Kind)
	}
	return object.Kind + " " + object.Metadata.Name, strict.UnmarshalStrict(document, into)
}

func main() {
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		name, err := check(document)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		fmt.Println(name)
	}
}
