//! IAM's users and their access keys, through its Query API.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use keystile_rotate::access_key::AccessKeyId;

use super::support::Emulator;

/// The users of the account.
#[derive(Debug)]
pub(crate) struct Users<'a>(pub(crate) &'a Emulator);

impl Users<'_> {
    /// An operation, signed (as far as the emulator looks) with a key of this id: status and answer.
    pub(crate) fn call_as(&self, key: &str, service: &str, form: &str) -> (u16, String) {
        let address = self.0.endpoint().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let scope = format!("Credential={key}/20260101/us-east-1/{service}/aws4_request");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 {scope}, \
             SignedHeaders=host, Signature=0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
            form.len()
        );
        stream.write_all(format!("{head}\r\n\r\n{form}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    #[track_caller]
    pub(crate) fn call(&self, form: &str) -> String {
        let (status, answer) = self.call_as("test", "iam", &format!("{form}&Version=2010-05-08"));
        assert_eq!(status, 200, "{form}: {answer}");
        answer
    }

    /// A new user with so many keys: their ids.
    pub(crate) fn user(&self, name: &str, keys: usize) -> Vec<AccessKeyId> {
        self.call(&format!("Action=CreateUser&UserName={name}"));
        (0..keys).map(|_| self.key(name).0).collect()
    }

    /// A new key of a user: its id and its secret half.
    pub(crate) fn key(&self, user: &str) -> (AccessKeyId, String) {
        let answer = self.call(&format!("Action=CreateAccessKey&UserName={user}"));
        let text = |name: &str| {
            let value = answer.split_once(&format!("<{name}>")).unwrap().1;
            value.split_once('<').unwrap().0.to_owned()
        };
        (AccessKeyId::parse(text("AccessKeyId").as_bytes()).unwrap(), text("SecretAccessKey"))
    }

    /// The statuses of a user's keys.
    pub(crate) fn statuses(&self, name: &str) -> BTreeMap<String, String> {
        let answer = self.call(&format!("Action=ListAccessKeys&UserName={name}"));
        let text = |member: &str, name: &str| {
            let value = member.split_once(&format!("<{name}>")).unwrap().1;
            value.split_once('<').unwrap().0.to_owned()
        };
        let members = answer.split("<member>").skip(1);
        members.map(|member| (text(member, "AccessKeyId"), text(member, "Status"))).collect()
    }

    /// Whether a call with the key is answered.
    pub(crate) fn works(&self, key: &AccessKeyId) -> bool {
        self.call_as(key.as_str(), "sts", "Action=GetCallerIdentity&Version=2011-06-15").0 == 200
    }
}
