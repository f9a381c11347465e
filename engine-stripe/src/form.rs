//! Forms: what is sent, in one order always.
//!
//! The generated crates keep metadata in hash maps, so that two forms of one request differ in their
//! order. Under one idempotency key the same bytes shall be sent: pairs are put in order here. The order
//! of pairs means nothing to Stripe, since each element of a list is numbered: `items[0][price]=…`.

/// The pairs of a form in the order of their names.
pub(crate) fn in_order(form: &str) -> String {
    let mut pairs: Vec<&str> = form.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// What stands under a name in a form, as it is written there.
pub(crate) fn value<'a>(form: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_pairs_is_one_whatever_it_was() {
        let one = "b=2&a[1]=x&a[0]=y&metadata[k]=v";
        let other = "metadata[k]=v&a[0]=y&a[1]=x&b=2";
        assert_eq!(in_order(one), in_order(other));
        assert_eq!(in_order(one), "a[0]=y&a[1]=x&b=2&metadata[k]=v");
        assert_eq!(in_order(""), "");
    }

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let form = "event_name=calls&payload[value]=7";
        assert_eq!(value(form, "payload[value]"), Some("7"));
        assert_eq!(value(form, "value"), None);
        assert_eq!(value(form, "event"), None);
    }
}
