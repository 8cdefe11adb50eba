package shop_test

import data.shop
import rego.v1

request(method, path, identity) := {
	"attributes": {"request": {"http": {"method": method}}},
	"identity": identity,
	"path": path,
}

alice := {"sub": "alice", "role": "customer"}

sam := {"sub": "sam", "role": "staff", "department": "pricing"}

acme := {"sub": "acme-feed", "role": "partner", "org": "acme"}

test_a_visitor_looks_at_products if shop.allow with input as request("GET", "/products/7", null)

test_a_visitor_changes_nothing if not shop.allow with input as request("POST", "/products", null)

test_a_visitor_has_no_orders if not shop.allow with input as request("GET", "/orders", null)

test_a_customer_orders if shop.allow with input as request("POST", "/orders", alice)

test_a_customer_sees_their_own_order if {
	shop.allow with input as request("GET", "/orders/alice/17", alice)
}

test_a_customer_does_not_see_another_one if {
	not shop.allow with input as request("GET", "/orders/bob/17", alice)
}

test_a_partner_fetches_its_own_feed if {
	shop.allow with input as request("GET", "/partners/acme/feed", acme)
	not shop.allow with input as request("GET", "/partners/other/feed", acme)
}

test_staff_keep_to_their_department if {
	shop.allow with input as request("PUT", "/admin/prices", sam)
	not shop.allow with input as request("GET", "/admin/salaries", sam)
}

test_a_customer_is_no_staff if not shop.allow with input as request("GET", "/admin/prices", alice)
