"""The web application firewall: SecLang rules over what Envoy's ext_proc stream brings."""
