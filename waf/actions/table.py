"""Every action, by its name in lower case."""

from collections.abc import Mapping
from typing import Final

from waf.actions import (
    disruptive,
    flow,
    labels,
    logging,
    matching,
    persistent,
    sanitise,
)
from waf.actions.contract import Action
from waf.actions.ctl import ctl
from waf.actions.setenv import setenv
from waf.actions.setvar import setvar
from waf.actions.unsupported import refused

_ARGUMENTS: Final = ("ARGS", "ARGS_GET", "ARGS_POST")
_CHANGES_BODY: Final = "is not supported: a response is inspected, its content is not changed"

ACTIONS: Final[Mapping[str, Action]] = {
    "accuracy": labels.accuracy,
    "allow": disruptive.allow,
    "append": refused(_CHANGES_BODY),
    "auditlog": logging.audit_log,
    "block": disruptive.block,
    "capture": matching.capture,
    "chain": flow.chain,
    "ctl": ctl,
    "deny": disruptive.deny,
    "deprecatevar": refused("is not supported: use expirevar"),
    "drop": disruptive.drop,
    "exec": refused("is not supported: rules start no program and run no Lua"),
    "expirevar": persistent.expirevar,
    "id": labels.rule_id,
    "initcol": persistent.initcol,
    "log": logging.log,
    "logdata": labels.log_data,
    "maturity": labels.maturity,
    "msg": labels.message,
    "multimatch": matching.multi_match,
    "noauditlog": logging.no_audit_log,
    "nolog": logging.no_log,
    "pass": disruptive.let_pass,
    "pause": refused("is not supported: it would hold the gateway's connection"),
    "phase": labels.phase,
    "prepend": refused(_CHANGES_BODY),
    "proxy": refused("is not supported: the gateway chooses where a request goes"),
    "redirect": disruptive.redirect,
    "rev": labels.revision,
    "sanitisearg": sanitise.named(*_ARGUMENTS),
    "sanitisematched": sanitise.matched,
    "sanitisematchedbytes": sanitise.matched,
    "sanitiserequestheader": sanitise.named("REQUEST_HEADERS"),
    "sanitiseresponseheader": sanitise.named("RESPONSE_HEADERS"),
    "sanitizearg": sanitise.named(*_ARGUMENTS),
    "sanitizematched": sanitise.matched,
    "sanitizematchedbytes": sanitise.matched,
    "sanitizerequestheader": sanitise.named("REQUEST_HEADERS"),
    "sanitizeresponseheader": sanitise.named("RESPONSE_HEADERS"),
    "setenv": setenv,
    "setrsc": persistent.setrsc,
    "setsid": persistent.setsid,
    "setuid": persistent.setuid,
    "setvar": setvar,
    "severity": labels.severity,
    "skip": flow.skip,
    "skipafter": flow.skip_after,
    "status": disruptive.status,
    "t": matching.transformation,
    "tag": labels.tag,
    "ver": labels.version,
    "xmlns": matching.namespace,
}
