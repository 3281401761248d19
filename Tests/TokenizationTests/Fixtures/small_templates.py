# SPDX-License-Identifier: Apache-2.0
"""Small templates, read by make_templates.py: each shows one rule of Jinja or Python."""
CONTEXT = {
    "s": "Hello, World", "e": "", "u": "Straße ΑΣ \u01c6 e\u0301", "ws": " \t\n x y \u00a0\u2003\n", "n": 7, "z": 0, "neg": -7,
    "f": 2.5, "t": True, "no": None, "l": [3, 1, 2], "el": [], "d": {"a": 1, "b": "two", "items": 5, "title": "T"}, "ed": {},
    "ll": [[1, 2], [3, 4]], "ld": [{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"k": "X", "v": None}, {"v": 0}],
    "mixed": [1, "a", None, True, 1.5, [1], {"q": "it's"}], "q": "it's \"so\"\n\t\u0001\u200b\u00e9", "b": [True, False],
    "big": 9007199254740993.0, "tiny": 1e-7, "huge": 1e22, "long": "a\nb\n\nc", "csv": "a,b,,c", "crlf": "x\r\ny\rz\u2028w",
}
CASES = r"""
{{ s }}|{{ e }}|{{ n }}|{{ f }}|{{ t }}|{{ no }}|{{ l }}|{{ d }}|{{ mixed }}|{{ nothing }}|{{ b }}
{{ q }}{{ [q] }}{{ ['\'', '"', '\'"', '\\', '\x7f\xa0\u200b\U0001f642'] }}
{{ big }} {{ tiny }} {{ huge }} {{ 1.0 }} {{ 100000.0 }} {{ 1e15 }} {{ 1e16 }} {{ 123456789.125 }} {{ 0.1 + 0.2 }} {{ -0.0 }} {{ 1e5 }} {{ 5e-324 }}
{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 8 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ nothing }} {{ 'a' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ [1] + [2] }} {{ (1,) + (2, 3) }} {{ 'a' * -1 }}|
{{ 1 + true }} {{ true + true }} {{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ none == false }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }} {{ nothing == nowhere }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 != 1 }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ not 1 }} {{ not not 1 }} {{ not e }} {{ 1 and 0 }} {{ 0 or 'x' }} {{ '' or [] or none }} {{ 1 and 'y' }} {{ not 1 == 2 }}
{{ 'a' in 'abc' }} {{ 'd' not in 'abc' }} {{ 1 in l }} {{ 1.0 in l }} {{ 'a' in d }} {{ 'z' in d }} {{ '' in 'a' }} {{ 1 in nothing }} {{ not 'a' in d }}
{{ 1 in 'abc' }}
{{ 'a' in none }}
{{ 1 if t else 2 }} {{ 1 if e else 2 }} {{ 'x' if e }}| {{ 1 if e else 2 if e else 3 }} {{ (1 if t) }}
{{ nothing.x }}
{{ nothing['x'] }}
{{ d.nope }}|{{ d['nope'] }}|{{ d.a }}|{{ d['b'] }}|{{ no.x }}|{{ n.x }}|{{ s.x }}|{{ l.x }}|{{ l[9] }}|{{ l['a'] }}|{{ s[99] }}|{{ s[-1] }}|{{ l[-1] }}|{{ l[-9] }}
{{ d.nope.x }}
{{ d['items'] }} {{ d.title }} {{ d.get('a') }} {{ d.get('zz') }} {{ d.get('zz', 4) }} {{ d.get('items') }}
{{ ed['items'] is defined }} {{ ed.items is defined }} {{ ed['nope'] is defined }} {{ 1 if ed['keys'] else 2 }} {{ s.title is defined }} {{ s['title'] is defined }}
{{ nothing + 1 }}
{{ nothing < 1 }}
{{ -nothing }}
{{ nothing() }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ none + 'a' }}
{{ [1] + 'a' }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ l[0:2] }} {{ l[::-1] }} {{ l[-2:] }} {{ l[:-1] }} {{ l[5:] }} {{ l[::2] }} {{ l[2:0:-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[-3:] }} {{ s[:] }} {{ (1,2,3)[1:] }} {{ l[none:2] }} {{ l[1:none] }} {{ l[-100:100] }} {{ l[100:-100:-1] }}
{{ l[::0] }}
{{ u[4:8] }}|{{ u | length }}|{{ u.upper() }}|{{ u.lower() }}|{{ u.title() }}|{{ u.capitalize() }}|{{ u | title }}|{{ u | capitalize }}|{{ 'ΑΣ ΑΣΑ Σ' | lower }}
{{ "they're bill's friends" | title }}|{{ "they're bill's friends".title() }}|{{ 'foo-bar (baz) [qux] {x} <y> a_b 1st' | title }}|{{ 'hELLO wORLD' | capitalize }}|{{ 'ß' | upper }}|{{ 'ǆ' | capitalize }}
{{ ws | trim }}|{{ ws.strip() }}|{{ ws.lstrip() }}|{{ ws.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy' | trim('xy') }}|{{ 'abc'.lstrip('ab') }}|{{ 'abc'.rstrip('bc') }}|{{ '\x1c\x1fa\x85'.strip() }}|
{{ 'a b  c '.split() }} {{ ' a b c'.split(' ') }} {{ csv.split(',') }} {{ csv.split(',', 1) }} {{ 'a b c d'.split(none, 2) }} {{ ''.split() }} {{ ''.split(',') }} {{ csv.rsplit(',', 1) }} {{ 'abc'.split('x') }}
{{ 'a'.split('') }}
{{ crlf.splitlines() }} {{ crlf.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\n'.splitlines() }}
{{ s.startswith('He') }} {{ s.endswith('ld') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('') }} {{ s.endswith('\u0301') }} {{ u.endswith('e') }} {{ u.endswith('\u0301') }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ s | replace('o', '0') }} {{ s | replace('l', '', 2) }} {{ 12321 | replace('2', 'x') }} {{ 'aaa' | replace('aa', 'b') }}
{{ ', '.join(['a', 'b']) }} {{ s.find('o') }} {{ s.find('zz') }} {{ s.count('l') }} {{ 'é日x'.find('x') }} {{ s.removeprefix('Hello') }} {{ s.removesuffix('ld') }} {{ s.removesuffix('') }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ '1a'.isdigit() }}
{{ ', '.join([1]) }}
{{ l | join(', ') }} {{ l | join }} {{ mixed | join('|') }} {{ nothing | join('x') }} {{ ld | join(',', attribute='k') }} {{ 'abc' | join('-') }} {{ d | join(',') }}
{{ l | length }} {{ d | length }} {{ s | length }} {{ nothing | length }} {{ s | count }} {{ (1, 2) | length }}
{{ n | length }}
{{ none | length }}
{{ nothing | default('x') }} {{ e | default('x') }}| {{ e | default('x', true) }} {{ none | default('x') }} {{ none | d('x', boolean=true) }} {{ nothing | default }}| {{ d.zz | default(1) }} {{ false | default(2, true) }}
{{ l | first }} {{ l | last }} {{ s | first }} {{ s | last }} {{ el | first }}| {{ el | last }}| {{ d | first }} {{ l | first + 1 }}
{{ 'abc' | list }} {{ d | list }} {{ l | list }} {{ nothing | list }} {{ d.items() | list }} {{ d.keys() | list }} {{ d.values() | list }} {{ d | items | list }} {{ range(3) | list }} {{ range(1, 10, 3) | list }} {{ range(5, 0, -2) | list }}
{{ none | list }}
{{ 5 | list }}
{{ l | sort }} {{ l | sort(reverse=true) }} {{ ['b', 'A', 'a', 'B'] | sort }} {{ ['b', 'A', 'a'] | sort(case_sensitive=true) }} {{ ld[:2] | sort(attribute='v', reverse=true) | map(attribute='k') | list }}
{{ [1, 'a'] | sort }}
{{ ['a', 'A', 'b', 1, 1.0] | unique | list }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ d | dictsort }}
{{ ld | map(attribute='k') | list }} {{ ld | map(attribute='k', default='none') | list }} {{ ['a', 'b'] | map('upper') | list }} {{ ['a ', ' b'] | map('trim') | join }} {{ [1, 2] | map('string') | list }} {{ ['ab'] | map('replace', 'a', 'x') | list }} {{ ll | map('first') | list }} {{ ll | map(attribute=1) | list }} {{ ll | map(attribute='0') | list }}
{{ ld | selectattr('v') | list | length }} {{ ld | selectattr('k', 'defined') | list | length }} {{ ld | rejectattr('k', 'equalto', 'x') | map(attribute='v') | list }}
{{ ld | selectattr('v', 'gt', 1) | list }}
{{ ld[:2] | selectattr('v', '>', 1) | map(attribute='k') | join }} {{ l | select('odd') | list }} {{ l | reject('odd') | list }} {{ mixed | select('string') | list }} {{ mixed | select | list | length }} {{ [1, none] | select('none') | list }} {{ l | select('in', [1, 2]) | list }}
{{ 1 if el | selectattr('x') else 2 }} {{ 1 if el | map('upper') else 2 }} {% set g = l | map('string') %}{{ g | first }}{{ g | list }}{{ g | list }}
{{ (l | map('string')) | length }}
{{ (l | map('string'))[0] }}|
{{ l | map('string') | last }}
{{ 'abc' | upper }} {{ 12 | upper }} {{ none | upper }} {{ nothing | upper }}| {{ 'ABC' | lower }} {{ true | string }} {{ 1.0 | string }} {{ l | string }} {{ nothing | string }}|
{{ '42' | int }} {{ '4.7' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ ' 8 ' | int }} {{ true | int }} {{ none | int }} {{ '1.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ -3 | abs }} {{ -2.5 | abs }}
{{ nothing | int }}
{{ long | indent }}|{{ long | indent(2, true) }}|{{ long | indent(width=1, blank=true) }}|{{ long | indent('> ') }}|{{ 'a\n' | indent }}|{{ '' | indent }}|{{ 'x\r\ny' | indent(2) }}
{{ d | tojson }} {{ mixed | tojson }} {{ q | tojson }} {{ u | tojson(ensure_ascii=true) }} {{ '🙂' | tojson(true) }} {{ none | tojson }} {{ big | tojson }} {{ tiny | tojson }} {{ (1, 2) | tojson }} {{ '</script>&\u2028\x7f' | tojson }}
{{ d | tojson(indent=2) }}|{{ el | tojson(indent=2) }}|{{ ed | tojson(indent=2) }}|{{ ll | tojson(indent=1) }}|{{ ld | tojson(indent=4) }}
{{ d | tojson(separators=(',', ':')) }} {{ d | tojson(sort_keys=true) }} {{ {'b': 1, 'a': [{}]} | tojson(sort_keys=true, indent=0) }}
{{ nothing | tojson }}
{{ range(2) | tojson }}
{{ d.items() | tojson }}
{{ s is string }} {{ n is number }} {{ t is number }} {{ t is integer }} {{ n is integer }} {{ f is float }} {{ t is boolean }} {{ n is boolean }} {{ no is none }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ d is mapping }} {{ l is mapping }} {{ l is iterable }} {{ s is iterable }} {{ d is iterable }} {{ n is iterable }} {{ no is iterable }} {{ nothing is iterable }} {{ nothing is sequence }} {{ nothing is string }} {{ t is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }}
{{ s is defined }} {{ nothing is defined }} {{ nothing is undefined }} {{ nothing is not defined }} {{ not nothing is defined }} {{ d.x is defined }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 1 is eq 1 }} {{ 1 is equalto(2) }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is gt 1 }} {{ 1 is in [1, 2] }}
{{ 'a' is in 'abc' and 1 is odd or false }} {{ range is callable }} {{ s.upper is callable }} {{ s is callable }} {{ none is not none }} {{ 1 is number and 'x' is string }}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ x }};{% endfor %}
{% for x in l %}{{ loop.previtem }}-{{ loop.nextitem }}-{{ loop.cycle('a', 'b') }}-{{ loop.depth }};{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }},{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'héé' %}{{ c }}.{% endfor %}{% for x in nothing %}x{% else %}none{% endfor %}{% for x in el %}x{% else %}empty{% endfor %}
{% for x in n %}{% endfor %}
{% for x in none %}{% endfor %}
{% for a, b in [1, 2] %}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for a, b in ll %}{{ a }}{{ b }} {% endfor %}{% for (a, b), c in [[[1, 2], 3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for x in range(10) if x % 2 %}{{ x }}{{ loop.index }}{{ loop.last }} {% else %}no{% endfor %}{% for x in l if x > 9 %}x{% else %}no{% endfor %}
{% set ns = namespace(seen=false) %}{% for x in l if not ns.seen %}{{ x }}{% if x == 1 %}{% set ns.seen = true %}{% endif %}{% endfor %}
{% set ns = namespace(seen=false) %}{% for x in l if not ns.seen %}{{ x }}{{ loop.last }}{% if x == 1 %}{% set ns.seen = true %}{% endif %}{% endfor %}
{% set ns = namespace(seen=false) %}{% for x in l if not ns.seen %}{{ x }}{{ loop.length }}{% if x == 3 %}{% set ns.seen = true %}{% endif %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}never{% endfor %}
{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(a=1, b='x') %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.zz }}|{% set ns.c = ns.a %}{{ ns.c }}
{% set n2 = namespace({'p': 1}, q=2) %}{{ n2.p }}{{ n2.q }} {{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict() }}
{% set d.x = 1 %}
{% set nope.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, e2) = ll[0] %}{{ c }}{{ e2 }}{% set x = 1, 2 %}{{ x }}{% set y = () %}{{ y }}{% set w = (3,) %}{{ w }}
{% set a, b = [1] %}
{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x is string }}{% set y | upper | replace('A', 'z') %}a{% set inner = 1 %}c{% endset %}{{ y }}{{ inner }}
{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m(1, 2, 3) ~ 'z' }}{{ m is callable }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(zz=2) }}
{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro m() %}{{ x }}{% endmacro %}{{ m() }}|{% set x = 1 %}{{ m() }}{% for x in [5] %}{{ m() }}{% endfor %}
{% macro m() %}{% set x = 5 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}{{ n }}
{% macro m(a) %}({{ a }}{{ caller() }}){% endmacro %}{% call m(1) %}in{{ n }}{% endcall %}|{% macro p() %}{{ caller(1, 2) }}{% endmacro %}{% call(x, y) p() %}{{ x + y }}{% endcall %}
{% macro m() %}a{% endmacro %}{% call m() %}x{% endcall %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% set a = 2 %}{{ a }}{% endwith %}{{ a }}{% with %}{% set q2 = 1 %}{{ q2 }}{% endwith %}{{ q2 }}
{% generation %}a{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }}|
{% raw %}{{ x }}{% if %}{# c #}{% endraw %}|{%- raw -%}  a  {%- endraw -%}  |
a {# comment #} b{#- x -#} c {#+ y +#} d
{{ 'a' -}}   b   {{- 'c' }}
{{ 1_000 }} {{ 1.5e3 }} {{ 1e3 }} {{ 12.50 }} {{ 0 }} {{ 00 }}
{{ [1, 2,] }} {{ {'a': 1,} }} {{ (1,) }} {{ () }} {{ (1) }} {{ [] }} {{ {} }} {{ ((1, 2), [3]) }} {{ 1, 2 }}
{{ ll[0][1] }} {{ ll.0.1 }} {{ d['a'] + ll[1][0] }} {{ ld[0].k }} {{ ld[0]['k'].upper() }} {{ {'a': {'b': 1}}.a.b }} {{ [1, 2][0] }} {{ 'abc'[1] }} {{ (1, 2)[1] }} {{ l[true] }} {{ l[1.0] }}|
{{ -n }} {{ +n }} {{ - -n }} {{ -f }} {{ -true }} {{ 5 - -3 }} {{ 2 - 1 }} {{ n-1 }} {{ -l[0] }} {{ -3 | abs }}
{{ -'a' | length }}
{{ -s }}
{{ s | upper | lower | trim | length }} {{ (s ~ s) | length }} {{ s ~ s | length }} {{ 1 + 2 | string | length }} {{ 'a' + 'b' | upper }} {{ not s | length > 3 }}
{{ d.items() }}
{{ range(3) }}
{{ namespace() }}
{{ s.upper }}
{{ s.nope() }}
{{ raise_exception('stop ' ~ n) }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %y %B %b %A %a %j %p %I %e %-d %-m %% %F %T %D %R') }}
{{ l.index(1) }} {{ l.count(1) }} {{ [1, 1.0, true].count(1) }}
{{ l.index(9) }}
{{ loop }}{{ loop is defined }}{% for x in l %}{{ loop is defined }}{% endfor %}
{% if n %}a{% elif e %}b{% else %}c{% endif %}{% if e %}a{% elif n == 7 %}b{% else %}c{% endif %}{% if e %}a{% elif z %}b{% else %}c{% endif %}{% if l and not el %}d{% endif %}
{%if n%}tight{%endif%}{{n}}{{-n-}}{{+n}}
{% for x in l recursive %}{% endfor %}
{% for x in (1, 2), %}{{ x }}{% endfor %}{% for x in 1, 2 %}{{ x }}{% endfor %}{% for x in l if x > 1 and x < 3 %}{{ x }}{% endfor %}
{{ 'a' if nothing is defined and nothing.x else 'b' }} {{ 'a' if 'k' in ld[0] and ld[0].k == 'x' else 'b' }} {{ (d.zz or {}).get('q', 'r') }} {{ d.zz or 'none' }}
{{ s | safe }} {{ '<b>' | safe }}{{ '<&>' }}
{{ mixed[6].q }} {{ mixed[6]['q'] }} {{ mixed | map('string') | join(',') }}
{{ {'x': nothing} }} {{ [nothing] }} {{ [none, nothing | default(1)] }}
{{ 'a\u0301' == '\u00e1' }} {{ 'a\u0301' in '\u00e1' }} {{ {'a\u0301': 1, '\u00e1': 2} }} {{ {'a\u0301': 1}['\u00e1'] is defined }}
{{ true and none }} {{ 0 ** 0 }} {{ 1 ** 100 }} {{ (-1) ** 3 }} {{ 9 ** 0.5 }} {{ 10 // 3.0 }} {{ 5 % 2.5 }}
{{ '%s' % 1 }}
{{ '{}'.format(1) }}
{{ l.append(4) }}
{{ d.update({}) }}
{{ s | nofilter }}
{{ s is notest }}
{% include 'x' %}
{% block a %}{% endblock %}
{% do l %}
{% if %}{% endif %}
{% endfor %}
{{ }}
{{ 1 + }}
{{ (1 }}
{% if n %}
{{ 'a }}
{# open
{% raw %} open
{{ self }}
{{ lipsum() }}
{{ l | map('nofilter') | list }}
{{ s | default(1, 2, 3) }}
{{ l | sum }}
{{ s.__class__ }}
{{ f(*l) }}
""".strip("\n").split("\n")


# Cases of several lines, parted by lines of dashes.
LONG = r"""
  {# lstripped #}
x
  {% if true %}
  y
  {% endif %}
z
  {%+ if true %}a{% endif +%}
  b {%- if true -%}  c  {%- endif -%}  d
-----
{{ '\n' }}|{{ '\t\\\'\"' }}|{{ "a\
b" }}|{{ '\x41\u0042\101\q' }}|{{ 'a' 'b' "c" }}|{{ 'multi
line' }}
-----
{% for x in [1, 2] %}
  {{ x }}
{% endfor %}
-----
{% set x = 1 %}
  {% set y = 2 -%}
   {{ x }}
 {#- a #}

{# b -#}
  {{ y }} {% if x %}
 text {%+ if y %}
 more
    {%- endif %}

  {% endif +%}
end
""".strip("\n").split("-----\n")

CASES += LONG + [
    "a\r\nb\rc\n", "a\n\n", "\n{% if true %}\n\nx\n{% endif %}\n\n", "{{ 'a\r\nb' }}", "", "\n", "{", "{{{ 1 }}}",
    "{{ '\\\u00e9' }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{% if true -%}\n\n a{% endif %}",
    "   {{ n }}  \n  {%- if n %} x {% endif -%}  \n y", "\t{% set a = 1 %}\t\n{{ a }}"]
