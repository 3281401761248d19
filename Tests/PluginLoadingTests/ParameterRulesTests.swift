// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

private enum Order: String, ParameterChoice {
    case first, last
}

private struct Sample: PolicyParameters {
    @Parameter("Whether.") var isOn: Bool = true
    @Parameter("How many.", in: 1...8) var count: Int = 4
    @Parameter("What share.", in: 0...1) var share: Double = 0.5
    @Parameter("What name.") var name: String = "none"
    @Parameter("Which.") var order: Order = .first
    @Parameter("Where.") var folder: ParameterPath = ParameterPath("/")
    @Parameter("How long.", in: .milliseconds(1)...Duration.seconds(2))
    var patience: Duration = .seconds(1)
    @Parameter("How much.", in: ByteCount(1_024)...ByteCount(1 << 20))
    var room: ByteCount = ByteCount(4_096)
}

struct ParameterRulesTests {
    @Test func defaultsAreWithinTheirRanges() {
        #expect(Sample.declarations.count == 8)
        for declaration in Sample.declarations {
            #expect(declaration.violation(of: declaration.defaultValue)?.description == nil)
        }
    }

    @Test(arguments: [
        ("isOn", ParameterValue.boolean(false)), ("count", .integer(8)), ("share", .integer(1)),
        ("share", .number(0.25)), ("name", .string("")), ("order", .string("last")),
        ("folder", .string("/models")), ("patience", .duration(.seconds(2))),
        ("room", .size(ByteCount(1 << 20))),
    ])
    func aValueWithinTheRangeIsTaken(name: String, value: ParameterValue) throws {
        _ = try Sample(values: [name: value])
    }

    @Test(arguments: [
        ("isOn", ParameterValue.integer(1), "takes true or false, not 1"),
        ("count", .integer(9), "takes an integer from 1 to 8, not 9"),
        ("count", .number(2), "takes an integer from 1 to 8, not 2.0"),
        ("share", .number(.nan), "takes a number from 0.0 to 1.0, not nan"),
        ("name", .boolean(true), "takes a string, not true"),
        ("order", .string("middle"), "takes one of first, last, not 'middle'"),
        ("patience", .duration(.seconds(3)), "takes a duration from 1ms to 2s, not 3s"),
        ("room", .size(ByteCount(1_000)), "takes a size from 1KiB to 1MiB, not 1000B"),
        ("rooms", .integer(1), "there is no parameter 'rooms'"),
    ])
    func anotherValueIsRefusedInWords(name: String, value: ParameterValue, words: String) {
        let error = #expect(throws: PolicyError.self) { try Sample(values: [name: value]) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "taken")")
    }
}
