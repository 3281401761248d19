// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import PolicyKit
import Testing

@testable import Hosting

/// What a request is promised, and by whom.
struct ServiceSharesTests {
    private static let alice = TenantID(rawValue: 1)
    private static let bob = TenantID(rawValue: 2)

    private static let shares: ServiceShares = {
        var shares = ServiceShares()
        shares.classes = [
            ("fast", .milliseconds(100)), ("slow", .seconds(5)), ("never", .seconds(60)),
        ]
        shares.adapters = ["legal": .init(weight: 2, serviceClass: "slow")]
        shares.tenants = [alice: .init(weight: 3, serviceClass: "fast")]
        return shares
    }()

    /// The request's own class comes first, then the tenant's, then the adapter's.
    @Test(
        arguments: [
            ("never", alice, "legal", .seconds(60)), (nil, alice, "legal", .milliseconds(100)),
            (nil, bob, "legal", .seconds(5)), (nil, bob, "base", nil),
            ("fast", bob, "base", .milliseconds(100)),
        ] as [(String?, TenantID, String, Duration?)])
    func theNearestClassWins(
        asked: String?, tenant: TenantID, model: String, target: Duration?
    ) throws {
        let found = try Self.shares.firstTokenTarget(asked: asked, tenant: tenant, model: model)
        #expect(found == target)
    }

    @Test func anUnknownClassIsRefusedWithThoseThereAre() throws {
        let error = #expect(throws: APIError.self) {
            try Self.shares.firstTokenTarget(asked: "fats", tenant: Self.bob, model: "base")
        }
        #expect(error?.status == 400)
        #expect(error?.parameter == "service_class")
        #expect(
            error?.message
                == "service_class: there is no service class `fats` (did you mean `fast`?); known: "
                + "`fast`, `slow`, `never`.")
        let none = #expect(throws: APIError.self) {
            try ServiceShares().firstTokenTarget(asked: "fast", tenant: Self.bob, model: "base")
        }
        #expect(none?.message.hasSuffix("this server has none, leave it out.") == true)
    }

    @Test func weightsAreOneUnlessGiven() {
        #expect(Self.shares.weight(ofAdapter: "legal") == 2)
        #expect(Self.shares.weight(ofAdapter: "other") == 1)
        #expect(Self.shares.weight(of: Self.alice) == 3)
        #expect(Self.shares.weight(of: Self.bob) == 1)
    }
}
