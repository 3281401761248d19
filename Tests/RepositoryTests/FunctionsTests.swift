// SPDX-License-Identifier: Apache-2.0

import Testing

struct FunctionsTests {
    @Test func findsLengthAndParameters() {
        let text = """
            struct Text {
                package static func first(a: Int, b: [String: Int]) {
                    print(a)
                    print(b)
                }

                init(value: (Int, Int) -> Void) {}

                func second<T: Sequence>(
                    _ a: T, b: Int, c: Int, d: Int, e: Int, f: Int
                ) -> Int {
                    1
                }
            }
            """
        let found = Functions.find(
            in: text.split(separator: "\n", omittingEmptySubsequences: false))
        #expect(found.map(\.line) == [2, 9])
        #expect(found.map(\.lineCount) == [2, 3])
        #expect(found.map(\.parameterCount) == [2, 6])
    }
}
