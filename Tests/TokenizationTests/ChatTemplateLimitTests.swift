// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tokenization

struct ChatTemplateLimitTests {
    private static let clock = TemplateClock(localSeconds: 0)

    private func render(_ source: String) throws(TokenizationError) -> String {
        try ChatTemplate(source: source).render([], clock: Self.clock, stepLimit: 200_000)
    }

    @Test(arguments: [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        """
        {% macro m(n) %}{% if n %}{% for x in [1] %}{{ (((m(n + 1)))) }}{% endfor %}\
        {% endif %}{% endmacro %}{{ m(1) }}
        """,
        "{% set x = 'ab' * 100000000 %}",
        """
        {% set ns = namespace(x='ab') %}{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}\
        {% endfor %}
        """,
        """
        {% set ns = namespace(x='ab') %}{% for i in range(64) %}\
        {% set ns.x = ns.x|replace('a', ns.x) %}{% endfor %}
        """,
        """
        {% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}\
        {% endfor %}
        """,
        """
        {% set ns = namespace(x=[1]) %}{% for i in range(5000) %}\
        {% set ns.x = [ns.x, ns.x] %}{% endfor %}
        """,
        """
        {% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}\
        {% endfor %}{{ ns.x }}
        """,
        """
        {% set ns = namespace(x=[1]) %}{% for i in range(60) %}\
        {% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x|tojson }}
        """,
        "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
        "{{ ('x' * 1000000)|join('y' * 1000000) }}",
        "{{ ('a\n' * 1000000)|indent(1000) }}",
        """
        {% set ns = namespace(x=[1]) %}{% for i in range(50000) %}\
        {% set ns.x = [ns.x] | map('default') %}{% endfor %}
        """,
        """
        {% set ns = namespace(x=[1]) %}{% for i in range(50000) %}\
        {% for y in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}
        """,
    ])
    func workIsBounded(source: String) {
        let error = #expect(throws: TokenizationError.self) { try render(source) }
        #expect(error?.code == .limitExceeded, "\(error?.description ?? "none")")
    }

    @Test(arguments: [
        "{{ 2 ** 1000 }}", "{{ 9223372036854775807 + 1 }}",
        "{{ (0 - 9223372036854775807 - 1) // -1 }}",
        "{{ -(0 - 9223372036854775807 - 1) }}", "{{ 99999999999 * 99999999999 }}",
        "{{ range(0, 9223372036854775807) }}", "{{ [1][::0] }}", "{{ namespace(a=1).a.b.c }}",
        "{{ range(1, 2, 0) }}", "{{ range(-9223372036854775807, 9223372036854775807) }}",
    ])
    func numbersOutOfRangeAreErrors(source: String) {
        let error = #expect(throws: TokenizationError.self) { try render(source) }
        #expect(error?.code == .templateFailed, "\(error?.description ?? "none")")
    }

    @Test(arguments: [
        "{{ " + String(repeating: "(", count: 5000), "{{ " + String(repeating: "[", count: 5000),
        "{{ " + String(repeating: "not ", count: 5000) + "1 }}",
        "{{ " + String(repeating: "-", count: 5000) + "1 }}",
        "{{ 1" + String(repeating: " + 1", count: 5000) + " }}",
        "{{ a" + String(repeating: ".a", count: 5000) + " }}",
        "{{ a" + String(repeating: "|trim", count: 5000) + " }}",
        "{{ " + String(repeating: "1 if 1 else ", count: 5000) + "1 }}",
        "{{ " + String(repeating: "[", count: 5000) + "1",
        "{% set " + String(repeating: "(", count: 5000) + "a",
        String(repeating: "{% if 1 %}", count: 5000),
        String(repeating: "{% for a in b %}", count: 5000),
    ])
    func deepNestingIsRefusedWhenRead(source: String) {
        #expect(throws: TokenizationError.self) { try ChatTemplate(source: source) }
    }

    @Test func refusalsNameLineAndColumn() {
        let error = #expect(throws: TokenizationError.self) {
            try ChatTemplate(source: "a\n  {{ x | nofilter }}", name: "chat_template.jinja")
        }
        #expect(error?.code == .unsupportedTemplate)
        #expect(
            error?.description
                == "chat_template.jinja: line 2, column 10: the filter 'nofilter' is "
                + "not supported in chat templates")
    }

    @Test(arguments: [
        "{{ foo() }}", "{{ x|safe|trim }}", "{{ 'a' + x|safe }}", "{% set y = x|safe %}",
        "{{ x.format(1) }}", "{% import 'a' as b %}", "{% filter upper %}{% endfilter %}",
        "{{ strftime_now('%Q') }}", "{{ l|map('nofilter') }}", "{{ l|map(name) }}",
        "{{ l|selectattr('a', 'notest') }}", "{{ x|tojson(nope=1) }}", "{{ x is defined(1) }}",
        "{{ x is foo }}", "{{ {1: 2} }}", "{{ cycler(1) }}", "{{ f(*x) }}", "{{ loop(x) }}",
    ])
    func unsupportedConstructsAreRefusedWhenRead(source: String) {
        let error = #expect(throws: TokenizationError.self) { try ChatTemplate(source: source) }
        #expect(error?.code == .unsupportedTemplate, "\(error?.description ?? "none")")
    }

    @Test func exceptionCarriesTheTemplatesMessage() {
        let error = #expect(throws: TokenizationError.self) {
            try render("{{ raise_exception('roles must ' ~ 'alternate') }}")
        }
        #expect(error?.code == .templateRaised)
        #expect(error?.message == "roles must alternate")
    }

    @Test(arguments: [
        (0, "1970-01-01 00:00:00 Thursday 001"), (951_782_400, "2000-02-29 00:00:00 Tuesday 060"),
        (1_735_689_599, "2024-12-31 23:59:59 Tuesday 366"),
        (-1, "1969-12-31 23:59:59 Wednesday 365"),
        (1_709_251_199, "2024-02-29 23:59:59 Thursday 060"),
        (Int.max, "9999-12-31 23:59:59 Friday 365"),
        (Int.min, "0001-01-01 00:00:00 Monday 001"),
        (1_677_628_800, "2023-03-01 00:00:00 Wednesday 060"),
    ])
    func datesAreThoseOfTheCalendar(seconds: Int, expected: String) throws {
        let template = try ChatTemplate(source: "{{ strftime_now('%Y-%m-%d %H:%M:%S %A %j') }}")
        let text = try template.render([], clock: TemplateClock(localSeconds: seconds))
        #expect(text == expected)
    }
}
