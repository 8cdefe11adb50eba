"""SecLang, the language of ModSecurity's rules: from text to a program."""
