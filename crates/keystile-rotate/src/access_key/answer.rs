//! IAM's answers, which are XML: what of them is used. What is unknown is passed over.

use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use jiff::Timestamp;

use super::{AccessKeyId, KeyRecord, KeyStatus, KeyUse, LastUsed};

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// Where the next one begins; `None` = this is the last.
    pub(super) next: Option<String>,
}

/// An element with its text, or with the elements inside of it.
#[derive(Debug)]
struct Element {
    name: String,
    text: String,
    inside: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Self> {
        self.inside.iter().find(|element| element.name == name)
    }

    /// The text of the element at this path.
    fn text_at(&self, path: &[&str]) -> Option<&str> {
        let found = path.iter().try_fold(self, |element, name| element.child(name))?;
        Some(found.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Elements inside of elements that are followed: IAM's answers have five.
const MOST_LEVELS: usize = 8;

fn parse(xml: &str) -> Result<Element, String> {
    let mut document = Document::new(xml);
    let root = document.root_element().map_err(|error| error.to_string())?;
    // The decoder takes the end of the text for the end of every open element: an answer that was cut off must not
    // be read as a short list.
    if !xml.trim_end().ends_with(&format!("</{}>", root.start_el().local())) {
        return Err("the answer is cut off".to_owned());
    }
    element(root, MOST_LEVELS).map_err(|error| error.to_string())
}

/// The decoder has either the text of an element or what is inside of it: which, its name says.
fn element(mut decoder: ScopedDecoder<'_, '_>, levels: usize) -> Result<Element, XmlDecodeError> {
    let mut found = Element { name: decoder.start_el().local().to_owned(), text: String::new(), inside: Vec::new() };
    if is_leaf(&found.name) {
        found.text = try_data(&mut decoder)?.into_owned();
        return Ok(found);
    }
    while let Some(next) = decoder.next_tag() {
        if found.name == "PolicyNames" {
            // The one list whose members are texts.
            let mut member = next;
            let (name, text) = (member.start_el().local().to_owned(), try_data(&mut member)?.into_owned());
            found.inside.push(Element { name, text, inside: Vec::new() });
        } else if levels > 0 {
            found.inside.push(element(next, levels - 1)?);
        }
    }
    Ok(found)
}

/// Elements that hold text.
fn is_leaf(name: &str) -> bool {
    const LEAVES: [&str; 14] = [
        "AccessKeyId",
        "Code",
        "CreateDate",
        "IsTruncated",
        "LastUsedDate",
        "Marker",
        "Message",
        "PolicyArn",
        "PolicyName",
        "Region",
        "RequestId",
        "ServiceName",
        "Status",
        "UserName",
    ];
    LEAVES.contains(&name)
}

/// What went wrong. Without a code where the answer is not IAM's.
pub(super) fn error(xml: &str) -> ErrorMetadata {
    let mut metadata = ErrorMetadata::builder();
    if let Ok(root) = parse(xml) {
        if let Some(code) = root.text_at(&["Error", "Code"]) {
            metadata = metadata.code(code);
        }
        if let Some(message) = root.text_at(&["Error", "Message"]) {
            metadata = metadata.message(message);
        }
    }
    metadata.build()
}

pub(super) fn request_id(xml: &str) -> Option<String> {
    parse(xml).ok()?.text_at(&["ResponseMetadata", "RequestId"]).map(ToOwned::to_owned)
}

pub(super) fn last_used(xml: &str) -> Result<LastUsed, String> {
    let root = parse(xml)?;
    let result = root.child("GetAccessKeyLastUsedResult").ok_or("the answer has no result")?;
    // "N/A": no use is written down (API reference, `AccessKeyLastUsed`).
    let text = |name: &str| result.text_at(&["AccessKeyLastUsed", name]).filter(|text| *text != "N/A");
    let last = match text("LastUsedDate") {
        Some(date) => Some(KeyUse {
            at: time(date)?,
            service: text("ServiceName").map(ToOwned::to_owned),
            region: text("Region").map(ToOwned::to_owned),
        }),
        None => None,
    };
    Ok(LastUsed { user: result.text_at(&["UserName"]).map(ToOwned::to_owned), last })
}

pub(super) fn keys(xml: &str) -> Result<Page<KeyRecord>, String> {
    page(xml, "ListAccessKeysResult", "AccessKeyMetadata", |member| {
        let id = member.text_at(&["AccessKeyId"]).ok_or("a key without an id")?;
        Ok(KeyRecord {
            id: AccessKeyId::parse(id.as_bytes()).map_err(|error| format!("{id} {error}"))?,
            status: KeyStatus::named(member.text_at(&["Status"]).ok_or("a key without a status")?),
            created: member.text_at(&["CreateDate"]).map(time).transpose()?,
        })
    })
}

pub(super) fn policies(xml: &str) -> Result<Page<String>, String> {
    page(xml, "ListAttachedUserPoliciesResult", "AttachedPolicies", |member| {
        Ok(member.text_at(&["PolicyName"]).ok_or("a policy without a name")?.to_owned())
    })
}

pub(super) fn inline_policies(xml: &str) -> Result<Page<String>, String> {
    page(xml, "ListUserPoliciesResult", "PolicyNames", |member| Ok(member.text.clone()))
}

fn page<T>(
    xml: &str,
    result: &str,
    list: &str,
    read: impl Fn(&Element) -> Result<T, String>,
) -> Result<Page<T>, String> {
    let root = parse(xml)?;
    let result = root.child(result).ok_or("the answer has no result")?;
    let members = result.child(list).map_or(&[][..], |list| &list.inside);
    let entries = members.iter().map(read).collect::<Result<_, _>>()?;
    let next = if result.text_at(&["IsTruncated"]) == Some("true") {
        Some(result.text_at(&["Marker"]).ok_or("the list goes on and does not say where")?.to_owned())
    } else {
        None
    };
    Ok(Page { entries, next })
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "a date that is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(rest: &str) -> String {
        format!("{}A{rest}", "AKI")
    }

    #[test]
    fn a_use_reads() {
        let xml = "<GetAccessKeyLastUsedResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">
            <GetAccessKeyLastUsedResult><AccessKeyLastUsed><Region>us-west-2</Region>
            <LastUsedDate>2026-03-13T10:45:00Z</LastUsedDate><ServiceName>s3</ServiceName></AccessKeyLastUsed>
            <UserName>ci &amp; cd</UserName></GetAccessKeyLastUsedResult>
            <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetAccessKeyLastUsedResponse>";
        let found = last_used(xml).expect("it reads");
        let last = KeyUse {
            at: "2026-03-13T10:45:00Z".parse().expect("a time"),
            service: Some("s3".to_owned()),
            region: Some("us-west-2".to_owned()),
        };
        assert_eq!(found, LastUsed { user: Some("ci & cd".to_owned()), last: Some(last) });
        assert_eq!(request_id(xml).as_deref(), Some("r-1"));
    }

    #[test]
    fn a_key_that_was_never_used_reads() {
        let xml = "<GetAccessKeyLastUsedResponse><GetAccessKeyLastUsedResult><AccessKeyLastUsed>
            <Region>N/A</Region><ServiceName>N/A</ServiceName></AccessKeyLastUsed>
            </GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>";
        assert_eq!(last_used(xml), Ok(LastUsed { user: None, last: None }));
    }

    #[test]
    fn a_list_of_keys_reads_and_says_whether_it_goes_on() {
        let list = |members: &str, rest: &str| {
            let list = format!("<AccessKeyMetadata>{members}</AccessKeyMetadata>{rest}");
            format!(
                "<ListAccessKeysResponse><ListAccessKeysResult>{list}</ListAccessKeysResult></ListAccessKeysResponse>"
            )
        };
        let key = |id: &str, status: &str| {
            format!(
                "<member><UserName>ci</UserName><AccessKeyId>{id}</AccessKeyId><Status>{status}</Status>
                 <CreateDate>2026-01-02T03:04:05+00:00</CreateDate><New><Thing>x</Thing></New></member>"
            )
        };
        let (one, two) = (id(&"Q".repeat(16)), id(&"R".repeat(16)));
        let xml = list(&(key(&one, "Active") + &key(&two, "Asleep")), "<IsTruncated>false</IsTruncated>");
        let found = keys(&xml).expect("it reads");
        assert_eq!(found.next, None);
        assert_eq!(found.entries[0].id.as_str(), one);
        assert_eq!(found.entries[0].created, Some("2026-01-02T03:04:05Z".parse().expect("a time")));
        assert_eq!(found.entries[1].status, KeyStatus::Other("Asleep".to_owned()));
        assert!(!found.entries[1].status.is_off());
        let more = list(&key(&one, "Active"), "<IsTruncated>true</IsTruncated><Marker>m</Marker>");
        assert_eq!(keys(&more).expect("it reads").next.as_deref(), Some("m"));
        assert_eq!(keys(&list("", "")), Ok(Page { entries: Vec::new(), next: None }));
        for broken in [
            list(&key(&one, "Active"), "<IsTruncated>true</IsTruncated>"),
            list(&key("short", "Active"), ""),
            list(&key(&one, ""), ""),
            "<html>proxy</html>".to_owned(),
            "<ListAccessKeysResponse><ListAccessKeysResult>".to_owned(),
            String::new(),
        ] {
            assert!(keys(&broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn policies_read() {
        let xml = "<ListAttachedUserPoliciesResponse><ListAttachedUserPoliciesResult><AttachedPolicies><member>
            <PolicyName>AWSCompromisedKeyQuarantineV3</PolicyName><PolicyArn>arn:aws:iam::aws:policy/x</PolicyArn>
            </member></AttachedPolicies><IsTruncated>false</IsTruncated></ListAttachedUserPoliciesResult>
            </ListAttachedUserPoliciesResponse>";
        let found = policies(xml).expect("it reads");
        assert_eq!(found.entries, ["AWSCompromisedKeyQuarantineV3"]);
        let xml = "<ListUserPoliciesResponse><ListUserPoliciesResult><PolicyNames><member>a</member><member>b</member>
            </PolicyNames><IsTruncated>false</IsTruncated></ListUserPoliciesResult></ListUserPoliciesResponse>";
        assert_eq!(inline_policies(xml).expect("it reads").entries, ["a", "b"]);
    }

    #[test]
    fn errors_have_their_code() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no user</Message>
            </Error><RequestId>r</RequestId></ErrorResponse>";
        let found = error(xml);
        assert_eq!((found.code(), found.message()), (Some("NoSuchEntity"), Some("no user")));
        assert_eq!(error("<html><body>502</body></html>").code(), None);
    }
}
