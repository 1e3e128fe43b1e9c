package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/engine"
)

// nouns are the user's words for the types of resources, by the last part of
// the type's token.
func nouns() map[string]string {
	return map[string]string{
		"accesskey":               "access key",
		"audienceprotocolmapper":  "audience of client",
		"clientdefaultscopes":     "scopes of client",
		"googleidentityprovider":  "identity provider",
		"identitymetadata":        "metadata of identity provider",
		"identityprovider":        "identity provider",
		"redisuser":               "Redis user",
		"searchspace":             "indices of",
		"bucketcorsconfiguration": "CORS rules of bucket",
		"bucketownershipcontrols": "ownership rules of bucket",
		"bucketpolicy":            "policy of bucket",
		"bucketpublicaccessblock": "public access rules of bucket",
		"databasebootstrap":       "settings of database",
		"defaultprivileges":       "rights on later objects",
		"grant":                   "rights",
		"grantrole":               "membership",
		"secret":                  "password",
		"userpolicy":              "access policy",

		"hardcodedclaimprotocolmapper": "database role in tokens",
	}
}

// objects are the user's words for what is in a cluster.
func objects() map[string]string {
	return map[string]string{
		"configmap": "settings", "secret": "settings", "deployment": "rollout", "job": "migrations", "serviceaccount": "identity",
		"horizontalpodautoscaler": "scaling", "poddisruptionbudget": "disruption budget", "networkpolicy": "network policy",
		"persistentvolumeclaim": "volume", "statefulset": "instance",
	}
}

// Noun names a resource in the user's words: role shop-database-app.
func Noun(typ, name string) string {
	word := strings.ToLower(typ[strings.LastIndexAny(typ, ":/")+1:])
	word = strings.TrimSuffix(word, "v2")
	words := nouns()
	if strings.HasPrefix(typ, "kubernetes:") {
		words = objects()
	}
	if known := words[word]; known != "" {
		word = known
	}
	return strings.TrimSpace(word + " " + name)
}

// driftLine says what was found, and that it is put right.
func driftLine(typ, name string, gone bool, keys []string) string {
	noun := Noun(typ, name)
	was, it := " was ", "it is"
	if plural(noun) {
		was, it = " were ", "they are"
	}
	if gone {
		return noun + was + "deleted outside plattr: " + it + " made again"
	}
	what := ""
	if len(keys) > 0 {
		what = " (" + strings.Join(keys, ", ") + ")"
	}
	return noun + was + "changed outside plattr" + what + ": " + it + " put back"
}

// plural tells the nouns that are many.
func plural(noun string) bool {
	first, _, _ := strings.Cut(noun, " ")
	return strings.Contains(noun, " rules of ") || slices.Contains([]string{"indices", "migrations", "rights", "scopes", "settings"}, first)
}

// eventLine is a line of --verbose: the engine's own words.
func eventLine(e engine.Event) string {
	switch e.Kind {
	case engine.Finished:
		return ""
	case engine.Message:
		return strings.TrimSpace(e.Severity + " " + e.Name + " " + e.Message)
	default:
		line := fmt.Sprintf("%s %s %s %s", e.Kind, e.Operation, e.Type, e.Name)
		if len(e.Keys) > 0 {
			line += " (" + strings.Join(e.Keys, ", ") + ")"
		}
		return line
	}
}

// Changes says what a run did: 24 created, 1 deleted. It is empty where nothing
// was.
func Changes(changes map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(changes)) {
		if what != engine.Unchanged && changes[what] > 0 {
			parts = append(parts, cli.Number(changes[what])+" "+what)
		}
	}
	return strings.Join(parts, ", ")
}

// Explain puts an error of a run in the user's words, or returns nil where it
// is understood as it is. What failed side by side for one reason, as a server
// that does not answer, is one line and the names of the others.
func Explain(err error) []string {
	var lines []string
	likewise := map[string][]string{} // names by reason
	var reasons []string
	for _, e := range failures(err) {
		why := reason(e)
		if others, ok := likewise[why]; ok {
			likewise[why] = append(others, Noun(e.Type, e.Name))
			continue
		}
		likewise[why] = nil
		reasons = append(reasons, why)
		verb := "set up"
		if e.Operation != "" {
			verb = string(e.Operation)
		}
		lines = append(lines, fmt.Sprintf("could not %s %s: %v", verb, Noun(e.Type, e.Name), e.Cause))
	}
	for _, why := range reasons {
		if others := likewise[why]; len(others) > 0 {
			lines = append(lines, "nor, for the same reason, "+some(others))
		}
	}
	return lines
}

// reason is why a resource failed, without the first words, which say what was
// tried with it: what follows tells where and why.
func reason(e *engine.ResourceError) string {
	text := e.Cause.Error()
	if _, why, ok := strings.Cut(text, ": "); ok && strings.Contains(why, ": ") {
		return why
	}
	return text
}

// some names up to three, and counts the rest.
func some(names []string) string {
	const shown = 3
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// failures returns the resources that failed, all that were joined.
func failures(err error) []*engine.ResourceError {
	if e, ok := err.(*engine.ResourceError); ok { //nolint:errorlint // the walk is here
		return []*engine.ResourceError{e}
	}
	switch e := err.(type) { //nolint:errorlint // the walk is here
	case interface{ Unwrap() []error }:
		var all []*engine.ResourceError
		for _, inner := range e.Unwrap() {
			all = append(all, failures(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		return failures(e.Unwrap())
	default:
		return nil
	}
}
