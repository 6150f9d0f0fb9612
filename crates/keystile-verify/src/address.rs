//! Which addresses a request may go to.
//!
//! Sources: IANA's registries of special-purpose addresses (IPv4: RFC 6890 and its successors, IPv6: the same),
//! RFC 6598 (shared address space), RFC 4193 (unique local), RFC 6052 (NAT64), RFC 4291 (mapped), RFC 3056
//! (6to4), RFC 4380 (Teredo).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of the public internet.
    Public,
    /// This machine.
    Loopback,
    /// A network that is not public: private, unique local, shared (carriers), link-local.
    Private,
    /// No address that a server can have: unspecified, multicast, broadcast, documentation, reserved.
    Unusable,
}

/// What `address` is. An IPv6 address that stands for an IPv4 one is what that one is.
#[must_use]
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [127, ..] => Kind::Loopback,
        [10, ..] | [192, 168, ..] | [169, 254, ..] => Kind::Private,
        [172, second, ..] if second & 0xf0 == 16 => Kind::Private,
        [100, second, ..] if second & 0xc0 == 64 => Kind::Private,
        // "This network", protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved.
        [0, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] => Kind::Unusable,
        [203, 0, 113, _] | [224..=255, ..] => Kind::Unusable,
        _ => Kind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        kind_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unusable,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // Mapped, and the deprecated compatible form.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => embedded(high, low),
        // NAT64, with the well-known prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Unique local, link-local, the deprecated site-local, NAT64 of a network's own.
        [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 => Kind::Private,
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        // Protocol assignments (Teredo among them) and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => Kind::Unusable,
        [0x3fff, second, ..] if second < 0x1000 => Kind::Unusable,
        // Global unicast is 2000::/3, the rest is reserved or multicast.
        [first, ..] if first & 0xe000 == 0x2000 => Kind::Public,
        _ => Kind::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table() {
        let cases = [
            ("8.8.8.8", Kind::Public),
            ("172.15.255.255", Kind::Public),
            ("172.32.0.0", Kind::Public),
            ("100.63.255.255", Kind::Public),
            ("100.128.0.0", Kind::Public),
            ("2606:4700::1111", Kind::Public),
            ("::ffff:8.8.8.8", Kind::Public),
            ("64:ff9b::8.8.8.8", Kind::Public),
            ("127.0.0.1", Kind::Loopback),
            ("127.255.255.254", Kind::Loopback),
            ("::1", Kind::Loopback),
            ("::ffff:127.0.0.1", Kind::Loopback),
            ("::127.0.0.1", Kind::Loopback),
            ("64:ff9b::127.0.0.1", Kind::Loopback),
            ("2002:7f00:1::", Kind::Loopback),
            ("10.0.0.1", Kind::Private),
            ("172.16.0.1", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.1.1", Kind::Private),
            ("169.254.169.254", Kind::Private),
            ("100.64.0.1", Kind::Private),
            ("100.127.255.255", Kind::Private),
            ("fd00:ec2::254", Kind::Private),
            ("fe80::1", Kind::Private),
            ("fec0::1", Kind::Private),
            ("::ffff:169.254.169.254", Kind::Private),
            ("64:ff9b:1::1", Kind::Private),
            ("0.0.0.0", Kind::Unusable),
            ("224.0.0.1", Kind::Unusable),
            ("255.255.255.255", Kind::Unusable),
            ("198.18.0.1", Kind::Unusable),
            ("192.0.2.1", Kind::Unusable),
            ("::", Kind::Unusable),
            ("ff02::1", Kind::Unusable),
            ("2001:db8::1", Kind::Unusable),
            ("2001::1", Kind::Unusable),
            ("4000::1", Kind::Unusable),
        ];
        for (address, expected) in cases {
            assert_eq!(kind(address.parse().expect(address)), expected, "{address}");
        }
    }

    proptest! {
        /// The standard library's own opinion, where it has one.
        #[test]
        fn nothing_special_is_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from(bits);
            let is_special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!is_special || kind_v4(address) != Kind::Public);
            prop_assert_eq!(kind(address.to_ipv6_mapped().into()), kind_v4(address), "mapped");
        }

        #[test]
        fn nothing_special_is_public_in_v6(bits in any::<u128>(), prefix in prop_oneof![
            Just(0u16), Just(0xfc00), Just(0xfd12), Just(0xfe80), Just(0xff02), Just(0x2001), any::<u16>()
        ]) {
            let address = Ipv6Addr::from((bits & (u128::MAX >> 16)) | (u128::from(prefix) << 112));
            let is_special = address.is_loopback() || address.is_multicast() || address.is_unspecified()
                || address.is_unique_local() || address.is_unicast_link_local();
            prop_assert!(!is_special || kind(address.into()) != Kind::Public, "{}", address);
        }
    }
}
