//! An authority of our own and certificates of it: when to renew which, and what the next state is.
//!
//! Pure but for the randomness of new keys: time is an argument. One state is shared by all replicas
//! (in a Secret), and each step from one state to the next is safe at any moment:
//!
//! 1. A new authority joins the bundle while the old certificate is still served.
//! 2. After [`Lifetimes::settle`], in which the bundle has reached every API server, the next
//!    certificate is issued by the new authority.
//! 3. After [`Lifetimes::overlap`], in which every replica has taken that certificate up, the old
//!    authority leaves the bundle.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;

use super::Certificate;
use super::certificate::fingerprint;

/// How long things last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authority. Renewed when two thirds are over.
    pub authority: Duration,
    /// A certificate. Renewed when two thirds are over.
    pub certificate: Duration,
    /// From a new authority's entry into the bundle to its first certificate.
    pub settle: Duration,
    /// From a new certificate to the old authority's leaving the bundle.
    pub overlap: Duration,
    /// How far in the past a validity begins, for clocks that are late.
    pub backdate: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            authority: 365 * DAY,
            certificate: 30 * DAY,
            settle: Duration::from_secs(600),
            overlap: Duration::from_secs(3_600),
            backdate: Duration::from_secs(300),
        }
    }
}

/// What the replicas share. All PEM; empty where there is nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The bundle that API servers are to trust, the newest authority first.
    pub authorities: String,
    /// The key of the first of them.
    pub authority_key: String,
    /// The certificate to serve.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// Digests of the public halves; never a key.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("authorities", &fingerprint(self.authorities.as_bytes()))
            .field("certificate", &fingerprint(self.certificate.as_bytes()))
            .finish_non_exhaustive()
    }
}

/// A certificate could not be made. The cause says nothing of a key.
#[derive(Debug, thiserror::Error)]
#[error("a certificate could not be issued: {0}")]
pub struct IssueError(#[from] rcgen::Error);

/// What is read of a certificate to decide about it.
struct Read {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
}

impl Read {
    fn of(der: CertificateDer<'static>) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        let names = certificate
            .subject_alternative_name()
            .ok()?
            .map(|names| {
                let dns = |name: &GeneralName<'_>| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                };
                names.value.general_names.iter().filter_map(dns).collect()
            })
            .unwrap_or_default();
        let (subject, issuer) = (certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec());
        let (not_before, not_after) =
            (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
        Some(Self { der, subject, issuer, names, not_before, not_after })
    }

    fn all(pem: &str) -> Vec<Self> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).filter_map(Self::of).collect()
    }

    fn is_valid(&self, now: i64) -> bool {
        (self.not_before..self.not_after).contains(&now)
    }

    /// Whether two thirds of its time are over.
    fn is_due(&self, now: i64) -> bool {
        now - self.not_before >= (self.not_after - self.not_before) / 3 * 2
    }
}

impl Stored {
    /// The state that is to follow this one at `now` (seconds since 1970) for a service with these DNS
    /// names; nothing while this one is good. A state that makes no sense is begun anew.
    ///
    /// # Errors
    ///
    /// When the names are none, or the random generator fails.
    pub fn next(&self, now: i64, names: &[String], lifetimes: &Lifetimes) -> Result<Option<Self>, IssueError> {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4);
        let backdate = seconds(lifetimes.backdate);
        let mut next = self.clone();

        let mut authorities = Read::all(&self.authorities);
        authorities.retain(|authority| now < authority.not_after);
        let authority_key = KeyPair::from_pem(&self.authority_key).ok();
        let fits = |key: &KeyPair, authority: &Read| {
            x509_parser::parse_x509_certificate(&authority.der).is_ok_and(|(_, certificate)| {
                certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
            })
        };
        let newest = authorities.first().filter(|authority| !authority.is_due(now));
        let authority_key = match (newest, authority_key) {
            (Some(newest), Some(key)) if fits(&key, newest) => key,
            _ => {
                let (certificate, key) = new_authority(now, lifetimes)?;
                next.authority_key = key.serialize_pem();
                authorities.insert(0, certificate);
                key
            }
        };

        let served = Certificate::from_pem(self.certificate.as_bytes(), self.key.as_bytes())
            .ok()
            .and_then(|_| Read::all(&self.certificate).into_iter().next())
            .filter(|leaf| leaf.is_valid(now) && leaf.names == names);
        let issuer =
            served.as_ref().and_then(|leaf| authorities.iter().position(|authority| authority.subject == leaf.issuer));
        let settled_at = authorities[0].not_before + backdate + seconds(lifetimes.settle);
        let is_good = match (&served, issuer) {
            (Some(leaf), Some(0)) => !leaf.is_due(now),
            // Of an older authority: kept until the newest one is known everywhere, if it lasts so long.
            (Some(leaf), Some(_)) => now < settled_at && now + seconds(lifetimes.settle) < leaf.not_after,
            _ => false,
        };
        let (issuer, issued_at) = match served.filter(|_| is_good) {
            Some(leaf) => (issuer.unwrap_or(0), leaf.not_before + backdate),
            None => {
                (next.certificate, next.key) = new_certificate(now, names, &authorities[0], &authority_key, lifetimes)?;
                (0, now)
            }
        };

        let taken_up = now >= issued_at + seconds(lifetimes.overlap);
        let mut place = 0;
        authorities.retain(|_| {
            let keep = place == 0 || place == issuer || !taken_up;
            place += 1;
            keep
        });
        next.authorities = authorities.iter().map(|authority| pem(&authority.der)).collect();
        Ok((next != *self).then_some(next))
    }
}

fn time_at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn validity(parameters: &mut CertificateParams, now: i64, lifetime: Duration, backdate: Duration) {
    parameters.not_before = time_at(now) - backdate;
    parameters.not_after = time_at(now) + lifetime;
}

fn new_authority(now: i64, lifetimes: &Lifetimes) -> Result<(Read, KeyPair), IssueError> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new([])?;
    validity(&mut parameters, now, lifetimes.authority, lifetimes.backdate);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A name of its own for each, by which a certificate's issuer is told.
    parameters.distinguished_name = DistinguishedName::new();
    let name = format!("keystile-webhook authority {}", &fingerprint(key.public_key_raw())[..16]);
    parameters.distinguished_name.push(DnType::CommonName, name);
    let certificate = parameters.self_signed(&key)?;
    let read = Read::of(certificate.der().clone()).ok_or(rcgen::Error::CouldNotParseCertificate)?;
    Ok((read, key))
}

/// Certificate and key, as PEM.
fn new_certificate(
    now: i64,
    names: &[String],
    authority: &Read,
    authority_key: &KeyPair,
    lifetimes: &Lifetimes,
) -> Result<(String, String), IssueError> {
    let issuer = Issuer::from_ca_cert_der(&authority.der, authority_key)?;
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names)?;
    validity(&mut parameters, now, lifetimes.certificate, lifetimes.backdate);
    // No certificate outlives its authority.
    parameters.not_after = parameters.not_after.min(time_at(authority.not_after));
    parameters.distinguished_name = DistinguishedName::new();
    // At most 64 characters (RFC 5280, ub-common-name); clients read the alternative names.
    parameters.distinguished_name.push(DnType::CommonName, "keystile-webhook");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn pem(der: &CertificateDer<'_>) -> String {
    pem::encode_config(
        &pem::Pem::new("CERTIFICATE", der.as_ref()),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    const DAY: i64 = 86_400;
    const START: i64 = 1_790_000_000;

    fn names() -> Vec<String> {
        ["webhook.keystile.svc", "webhook.keystile.svc.cluster.local"].map(str::to_owned).to_vec()
    }

    /// The state after `now`, changed or not.
    fn after(stored: &Stored, now: i64) -> Stored {
        stored.next(now, &names(), &Lifetimes::default()).unwrap().unwrap_or_else(|| stored.clone())
    }

    /// Whether a client that trusts `bundle` takes what `stored` serves.
    fn trusts(bundle: &str, stored: &Stored, now: i64) -> bool {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(authority.unwrap()).unwrap();
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crate::tls::provider()).build().unwrap();
        let served = Certificate::from_pem(stored.certificate.as_bytes(), stored.key.as_bytes()).unwrap();
        let name = ServerName::try_from("webhook.keystile.svc").unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
        verifier.verify_server_cert(&served.key.cert[0], &[], &name, &[], now).is_ok()
    }

    fn authorities(stored: &Stored) -> usize {
        Read::all(&stored.authorities).len()
    }

    #[test]
    fn from_nothing_to_a_certificate_that_is_trusted() {
        let first = Stored::default().next(START, &names(), &Lifetimes::default()).unwrap().unwrap();
        assert_eq!(authorities(&first), 1);
        assert!(trusts(&first.authorities, &first, START));
        assert!(trusts(&first.authorities, &first, START - 200), "for clocks that are late");
        assert_eq!(first.next(START, &names(), &Lifetimes::default()).unwrap(), None, "nothing more to do");
    }

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_are_over_and_the_authority_stays() {
        let first = after(&Stored::default(), START);
        assert_eq!(after(&first, START + 19 * DAY), first);
        let second = after(&first, START + 20 * DAY);
        assert_ne!(second.certificate, first.certificate);
        assert_eq!((&second.authorities, &second.authority_key), (&first.authorities, &first.authority_key));
    }

    #[test]
    fn a_new_authority_is_announced_before_it_issues_and_the_old_one_stays_until_all_have_moved() {
        let mut old = after(&Stored::default(), START);
        // The certificate is renewed on the way, the last time a little before the authority is due.
        let due = START + 365 * DAY * 2 / 3;
        for day in 1..243 {
            old = after(&old, START + day * DAY);
            assert_eq!(authorities(&old), 1, "day {day}");
        }
        let announced = after(&old, due + 60);
        assert_eq!(authorities(&announced), 2);
        assert_eq!(announced.certificate, old.certificate, "clients that know the old bundle are still served");
        assert!(trusts(&announced.authorities, &announced, due + 60));

        let waiting = after(&announced, due + 300);
        assert_eq!(waiting, announced);

        let moved = after(&announced, due + 60 + 600);
        assert_ne!(moved.certificate, announced.certificate);
        assert!(trusts(&announced.authorities, &moved, due + 700), "whoever heard the announcement trusts the new one");
        assert!(!trusts(&old.authorities, &moved, due + 700));
        assert_eq!(authorities(&moved), 2);
        assert!(trusts(&moved.authorities, &announced, due + 700), "a replica that serves the old one still");

        let ended = after(&moved, due + 660 + 3_600);
        assert_eq!(authorities(&ended), 1);
        assert_eq!(ended.certificate, moved.certificate);
        assert!(trusts(&ended.authorities, &ended, due + 5_000));
    }

    #[test]
    fn what_makes_no_sense_is_begun_anew_at_once() {
        let good = after(&Stored::default(), START);
        let other = after(&Stored::default(), START);
        let broken: [(&str, Stored); 6] = [
            (
                "certificate of another authority",
                Stored { certificate: other.certificate.clone(), key: other.key.clone(), ..good.clone() },
            ),
            ("key of another certificate", Stored { key: other.key.clone(), ..good.clone() }),
            ("no PEM", Stored { certificate: "x".into(), ..good.clone() }),
            ("key of another authority", Stored { authority_key: other.authority_key.clone(), ..good.clone() }),
            ("no authority", Stored { authorities: String::new(), ..good.clone() }),
            ("no key of the authority", Stored { authority_key: "x".into(), ..good.clone() }),
        ];
        for (name, state) in broken {
            let next = after(&state, START + 60);
            assert_ne!(next, state, "{name}");
            assert!(trusts(&next.authorities, &next, START + 60), "{name}");
        }
    }

    #[test]
    fn an_expired_certificate_and_other_names_don_t_wait() {
        let first = after(&Stored::default(), START);
        let late = START + 400 * DAY;
        let next = after(&first, late);
        assert_eq!(authorities(&next), 1, "the authority is expired too");
        assert!(trusts(&next.authorities, &next, late));
        let renamed =
            first.next(START + 1, &["other.keystile.svc".to_owned()], &Lifetimes::default()).unwrap().unwrap();
        assert_ne!(renamed.certificate, first.certificate);
        assert_eq!(renamed.authorities, first.authorities);
    }

    #[test]
    fn every_state_of_two_years_serves_what_its_bundle_trusts() {
        let mut state = Stored::default();
        let mut changes = 0;
        for hour in 0..(730 * 24) {
            let now = START + hour * 3_600;
            if let Some(next) = state.next(now, &names(), &Lifetimes::default()).unwrap() {
                if !state.authorities.is_empty() {
                    assert!(trusts(&next.authorities, &state, now), "hour {hour}: a replica that is one step behind");
                    assert!(
                        trusts(&state.authorities, &next, now),
                        "hour {hour}: an API server that is one step behind"
                    );
                }
                state = next;
                changes += 1;
            }
            assert!(authorities(&state) <= 2, "hour {hour}");
        }
        assert!((37..60).contains(&changes), "{changes}");
    }

    #[test]
    fn debug_output_has_no_key() {
        let state = after(&Stored::default(), START);
        let printed = format!("{state:?}");
        assert!(printed.len() < 250 && !printed.contains("KEY"), "{printed}");
    }
}
