"""The blocks that a Policy may have here: one row a service."""

from callout.config.section import Section
from extauthz.config import AuthSection
from ratelimit.config import LimitsSection

SECTIONS: tuple[Section, ...] = (AuthSection(), LimitsSection())
