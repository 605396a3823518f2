"""What runs beside a person: the parts that meet their words before and after the policy decides."""
