//! Command lines for a person. They are shown, never run.

use super::found::{Because, ObjectName, PickUp};
use super::gathering::Gathering;
use super::reason::{Effect, Reason};
use super::workload::Workload;
use super::world::ConsumerWorld;

/// A time as Go and kubectl write it: `1h30m`.
pub(super) fn said(seconds: u64) -> String {
    let parts = [(seconds / 3600, 'h'), (seconds % 3600 / 60, 'm'), (seconds % 60, 's')];
    let shown: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

/// Whatever a shell could take for more than a word is quoted: names from files may be anything.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'@');
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        let shown: String = text.chars().filter(|character| !character.is_control()).collect();
        format!("'{}'", shown.replace('\'', r"'\''"))
    }
}

/// `kubectl` with the context, the words, and the namespace where there is one.
fn kubectl(world: &ConsumerWorld, words: &str, namespace: &str) -> String {
    let context = world.context.as_deref().map(|context| format!(" --context {}", word(context))).unwrap_or_default();
    let namespace = match namespace {
        "" => String::new(),
        namespace => format!(" --namespace {}", word(namespace)),
    };
    format!("kubectl{context}{namespace} {words}")
}

/// Has External Secrets read again now, where that helps.
pub(super) fn external(
    world: &ConsumerWorld,
    name: &ObjectName,
    maker: Option<&ObjectName>,
    when: PickUp,
    reasons: &[Because],
    gathering: &mut Gathering,
) {
    let hinders = |because: &Because| {
        because.effect() == Effect::Never && !matches!(because.reason, Reason::OnChange | Reason::WindowsClosed)
    };
    if reasons.iter().any(hinders) || when == (PickUp::ByItself { within_seconds: Some(0) }) {
        return;
    }
    let command = match maker {
        // What a ClusterExternalSecret makes is given its own annotation (apis/externalsecrets/v1,
        // `AnnotationForceSync`), and loses any other.
        Some(maker) => kubectl(
            world,
            &format!(
                "annotate --overwrite clusterexternalsecret {} external-secrets.io/force-sync=\"$(date +%s)\"",
                word(&maker.name)
            ),
            "",
        ),
        None => kubectl(
            world,
            &format!("annotate --overwrite externalsecret {} force-sync=\"$(date +%s)\"", word(&name.name)),
            &name.namespace,
        ),
    };
    gathering.force_sync.insert(command);
}

/// Has a Secret made anew.
pub(super) fn remake(world: &ConsumerWorld, secret: &ObjectName, gathering: &mut Gathering) {
    let command = kubectl(world, &format!("delete secret {}", word(&secret.name)), &secret.namespace);
    gathering.remake.insert(command);
}

/// Starts the processes of a workload again, where one command does.
pub(super) fn restart(world: &ConsumerWorld, workload: &Workload, gathering: &mut Gathering) {
    let name = &workload.name;
    let rollout = |verb: &str| {
        let words = format!("rollout {verb} {}/{}", name.kind.to_ascii_lowercase(), word(&name.name));
        kubectl(world, &words, &name.namespace)
    };
    let command = match name.kind.as_str() {
        "Deployment" if workload.is_paused => format!("{} && {}", rollout("resume"), rollout("restart")),
        "Deployment" => rollout("restart"),
        "StatefulSet" | "DaemonSet" if !workload.is_replaced_by_hand => rollout("restart"),
        // Argo's plugin of kubectl.
        "Rollout" => kubectl(world, &format!("argo rollouts restart {}", word(&name.name)), &name.namespace),
        "Pod" if workload.owner.is_some() => {
            kubectl(world, &format!("delete pod {}", word(&name.name)), &name.namespace)
        }
        _ => return,
    };
    gathering.restart.insert(command);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_go_writes_them() {
        for (seconds, shown) in [(0, "0s"), (59, "59s"), (60, "1m"), (3600, "1h"), (5430, "1h30m30s")] {
            assert_eq!(said(seconds), shown);
        }
    }

    #[test]
    fn nothing_in_a_name_reaches_a_shell() {
        for (text, quoted) in [
            ("web", "web"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's; x", r"'it'\''s; x'"),
            ("", "''"),
            ("a\nb", "'ab'"),
        ] {
            assert_eq!(word(text), quoted, "{text:?}");
        }
    }
}
