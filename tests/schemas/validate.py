"""Checks a file: validate.py SCHEMA FILE, or validate.py xml FILE for well-formed XML.

Prints every fault with its place and ends with 1 if there is one.
"""

import json
import sys
from xml.etree import ElementTree

schema, file = sys.argv[1:]
if schema == "xml":
    suites = ElementTree.parse(file).getroot()
    for suite in suites:
        cases = suite.findall("testcase")
        for count, found in [
            ("tests", len(cases)),
            ("failures", len(suite.findall("testcase/failure"))),
            ("errors", len(suite.findall("testcase/error"))),
            ("skipped", len(suite.findall("testcase/skipped"))),
        ]:
            assert int(suite.get(count)) == found == int(suites.get(count)), (count, suite.attrib, found)
    sys.exit()

import jsonschema

with open(schema, encoding="utf-8") as opened:
    rules = json.load(opened)
with open(file, encoding="utf-8") as opened:
    document = json.load(opened)
validator = jsonschema.validators.validator_for(rules)
validator.check_schema(rules)
faults = list(validator(rules, format_checker=validator.FORMAT_CHECKER).iter_errors(document))
for fault in faults:
    print(f"{fault.json_path}: {fault.message}")
sys.exit(bool(faults))
