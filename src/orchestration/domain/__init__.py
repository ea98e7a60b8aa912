"""What the loop knows: values and rules. Pure: no client, no clock, no environment, nothing imported from outside."""
