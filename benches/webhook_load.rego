# What keystile's grant `/{env}/{team}/**` asks of `data[].remoteRef.key`, in OPA's language, and nothing
# else of keystile's rules: what benches/webhook_load.py measures OPA with.
package keystile

owner := data.namespaces[input.request.namespace]

prefix := sprintf("/%s/%s/", [owner.env, owner.team])

violations contains message if {
	some i, entry in input.request.object.spec.data
	not startswith(entry.remoteRef.key, prefix)
	message := sprintf("spec.data[%d].remoteRef.key: %q is outside of %s", [i, entry.remoteRef.key, prefix])
}

violations contains "the namespace is bound to nobody" if not owner

response := {"uid": input.request.uid, "allowed": true} if count(violations) == 0

response := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"code": 403, "message": concat("\n", violations)},
} if {
	count(violations) > 0
}

review := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
